package embedded

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/store"
	"tidegate/store/storetest"
)

func openTestCatalog(t testing.TB, dir string) *Catalog {
	t.Helper()
	c, err := OpenCatalog(filepath.Join(dir, "catalog.db"), CatalogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCatalog(t *testing.T) {
	storetest.RunCatalog(t, func(t testing.TB, dir string) storetest.Catalog { return openTestCatalog(t, dir) })
}

// farm answers n devices with four ports each.
func farm(n int) ([]store.Device, [][]store.Port) {
	devices, ports := make([]store.Device, n), make([][]store.Port, n)
	for i := range devices {
		devices[i] = store.Device{ID: fmt.Sprintf("device-%05d", i), OrgID: "acme", SerialNumber: fmt.Sprintf("SN-%05d", i), SecretHash: make([]byte, 32)}
		for n := range 4 {
			ports[i] = append(ports[i], store.Port{Number: uint16(n + 1), Name: fmt.Sprintf("channel %d", n), Unit: "V"})
		}
	}
	return devices, ports
}

func TestCatalogCreateDevices(t *testing.T) {
	c := openTestCatalog(t, t.TempDir())
	defer func() { _ = c.Close() }()
	if err := c.CreateOrganization(t.Context(), store.Organization{ID: "acme", Name: "Acme"}); err != nil {
		t.Fatal(err)
	}
	devices, ports := farm(2000)
	devices[7].OrgID = "nobody"
	devices[9].ID = devices[8].ID
	devices[11].AssumeZone = "Nowhere/Land"
	tried, err := c.TryDevices(t.Context(), devices, ports)
	if all, lerr := c.ListDevices(t.Context(), store.DeviceFilter{}); err != nil || lerr != nil || len(all) != 0 {
		t.Fatalf("trying made %d devices: %v %v", len(all), err, lerr)
	}
	before := c.db.Stats()
	made, errs := c.CreateDevices(t.Context(), devices, ports)
	after := c.db.Stats()
	if w := after.TxStats.GetWrite() - before.TxStats.GetWrite(); w > 2000 {
		t.Errorf("%d page writes for 2,000 devices", w)
	}
	want := map[int]error{7: store.ErrNotFound, 9: store.ErrConflict, 11: store.ErrInvalid}
	uid := uint32(0)
	for i, err := range errs {
		if !errors.Is(err, want[i]) {
			t.Fatalf("row %d: %v, want %v", i, err, want[i])
		}
		if fmt.Sprint(tried[i]) != fmt.Sprint(err) {
			t.Errorf("row %d: tried %v, then %v", i, tried[i], err)
		}
		if err == nil {
			if uid++; made[i].UID != uid {
				t.Fatalf("row %d has UID %d, want %d", i, made[i].UID, uid)
			}
		}
	}
	if all, err := c.ListDevices(t.Context(), store.DeviceFilter{}); err != nil || len(all) != 1997 {
		t.Fatalf("%d devices, %v", len(all), err)
	}
	if p, err := c.ListPorts(t.Context(), devices[1999].ID); err != nil || len(p) != 4 {
		t.Fatalf("%d ports, %v", len(p), err)
	}
}

// TestCatalogErrors shows what people read.
func TestCatalogErrors(t *testing.T) {
	c, ctx := openTestCatalog(t, t.TempDir()), t.Context()
	defer func() { _ = c.Close() }()
	if err := c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateDevice(ctx, store.Device{ID: "d1", OrgID: "acme", SerialNumber: "SN1"}, nil); err != nil {
		t.Fatal(err)
	}
	create := func(id, serial string) error {
		_, err := c.CreateDevice(ctx, store.Device{ID: id, OrgID: "acme", SerialNumber: serial}, nil)
		return err
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{create("d1", ""), `device "d1": the id is the id of a device of acme; choose another`},
		{create("d2", "SN1"), `device "SN1": the serial number is the serial number of device d1; choose another, or retire that device first`},
		{c.DeleteOrganization(ctx, "acme"), `organization "acme": still has devices, such as d1; delete them first`},
		{c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "A"}), `organization "acme": exists already; choose another id`},
	} {
		if tt.err == nil || tt.err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
	}
}

func TestCatalogIsFastToLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	c := openTestCatalog(t, t.TempDir())
	defer func() { _ = c.Close() }()
	if err := c.CreateOrganization(t.Context(), store.Organization{ID: "acme", Name: "Acme"}); err != nil {
		t.Fatal(err)
	}
	devices, ports := farm(3_000)
	begin := time.Now()
	_, errs := c.CreateDevices(t.Context(), devices, ports)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	t.Logf("3,000 devices with 4 ports made in %v", time.Since(begin))
	begin = time.Now()
	all, err := c.ListDevices(t.Context(), store.DeviceFilter{})
	listed := time.Since(begin)
	n := 0
	if err := errors.Join(err, c.AllPorts(t.Context(), func(store.Port) error { n++; return nil })); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	t.Logf("listed in %v, with all ports in %v", listed, took)
	if len(all) != 3_000 || n != 12_000 {
		t.Fatalf("%d devices, %d ports", len(all), n)
	}
	if took > 2*time.Second { // far above the aim, for slow machines and the race detector
		t.Errorf("loading took %v", took)
	}
}

func TestCatalogOpenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := openTestCatalog(t, filepath.Dir(path))
	defer func() { _ = c.Close() }()
	if _, err := OpenCatalog(path, CatalogOptions{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("opening twice: %v", err)
	}
}
