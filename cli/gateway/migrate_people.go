package gateway

import (
	"fmt"

	"tidegate/store"
)

// people knows devices and ports by their numbers and by their names, as a whole
// catalogue has them.
type people struct {
	devices map[uint32]store.Device
	numbers map[deviceName]uint32
	ports   map[store.Series][]store.Calibration
}

func peopleOf(whole store.CatalogChange) people {
	p := people{devices: map[uint32]store.Device{}, numbers: map[deviceName]uint32{}, ports: map[store.Series][]store.Calibration{}}
	byID := map[string]uint32{}
	for _, d := range whole.Devices {
		p.devices[d.UID] = d
		p.numbers[deviceName{d.OrgID, d.ID}] = d.UID
		byID[d.ID] = d.UID
	}
	for _, port := range whole.Ports {
		p.ports[store.Series{UID: byID[port.DeviceID], Port: port.Number}] = port.Calibrations
	}
	return p
}

// names answers how documents name a device.
func (p people) names(uid uint32) (orgID, deviceID string, ok bool) {
	d, ok := p.devices[uid]
	return d.OrgID, d.ID, ok
}

// number is the inverse of names.
func (p people) number(orgID, deviceID string) (uid uint32, ok bool) {
	uid, ok = p.numbers[deviceName{orgID, deviceID}]
	return uid, ok
}

// calibrations answers those of a port; of one that was deleted nobody knows
// them any more.
func (p people) calibrations(sr store.Series) []store.Calibration { return p.ports[sr] }

// name names a port for a person.
func (p people) name(sr store.Series) string {
	d, ok := p.devices[sr.UID]
	if !ok {
		return fmt.Sprintf("device number %d, port %d", sr.UID, sr.Port)
	}
	return fmt.Sprintf("device %s, port %d", d.ID, sr.Port)
}
