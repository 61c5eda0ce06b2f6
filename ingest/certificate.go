package ingest

import "tidegate/store"

// LoginCertificate answers the device that a client certificate names by its id
// or serial number; whoever calls has verified the certificate. As with Login,
// only an active device gets in, and every refusal is ErrRefused.
func (r *Registry) LoginCertificate(name string) (*Principal, error) {
	d := r.view.Load().device(name)
	if d == nil || d.State != store.DeviceActive {
		return nil, ErrRefused
	}
	return &Principal{Name: "device:" + d.ID, Device: d, OrgID: d.OrgID}, nil
}
