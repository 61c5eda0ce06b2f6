package gateway

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"tidegate/store"
	"tidegate/store/transfer"
)

const (
	noteName   = "migrate.json"
	stageName  = "migrate" // folder for what grows until the switch
	noteFormat = 1
)

// migratePhase is what an unfinished migration does next.
type migratePhase string

const (
	phaseCopy   migratePhase = "copy"   // the source is served
	phaseSwitch migratePhase = "switch" // all is copied; the folder moves over
)

// migrateNote says how far a migration is. It is replaced as a whole, durably.
type migrateNote struct {
	Format int          `json:"format"`
	ID     string       `json:"id"`
	To     string       `json:"to"`
	Place  string       `json:"database"` // for people
	Phase  migratePhase `json:"phase"`
	// The source as it was when Copied began to grow: where it has changed
	// since, everything is looked at anew.
	Log     string `json:"log"`
	Applied uint64 `json:"applied"`
	Catalog string `json:"catalog"` // hash

	Copied transfer.Place `json:"copied"`
	Aside  string         `json:"aside"` // folder for what is moved away
	Result MigrateResult  `json:"result"`
}

// readNote answers the note of a folder; nil: there is none.
func readNote(dir string) (*migrateNote, error) {
	path := filepath.Join(dir, noteName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read how far the migration is: %w", err)
	}
	n := &migrateNote{}
	if err := json.Unmarshal(b, n); err != nil {
		return nil, store.Invalid("file", "", "%s is damaged (%v); remove it to begin anew", path, err)
	}
	if n.Format > noteFormat {
		return nil, store.Invalid("file", "", "%s has format %d, this tidegate knows up to %d; run the one that began the migration", path, n.Format, noteFormat)
	}
	return n, nil
}

// beginNote makes a note, or goes on with the one that is there. begin says what
// the source is now.
func (m *migration) beginNote(place string) error {
	now := migrateNote{Format: noteFormat, To: m.o.To, Place: place, Phase: phaseCopy, Log: m.bounds.Log.String(), Applied: m.bounds.Head, Catalog: m.catalogHash()}
	if n := m.note; n != nil {
		if n.Log == now.Log && n.Applied == now.Applied && n.Catalog == now.Catalog {
			now.Copied = n.Copied
		}
		now.ID, now.Aside = n.ID, n.Aside
	} else {
		now.ID = rand.Text()
		var err error
		if now.Aside, err = m.freeName(map[string]string{StoreMongo: "embedded-before-migrate", StoreEmbedded: "mongo-before-migrate"}[m.o.To]); err != nil {
			return err
		}
	}
	m.note = &now
	return m.then("noted", m.saveNote())
}

// beginSwitch notes that everything is copied, and was found the same.
func (m *migration) beginSwitch(r MigrateResult) error {
	m.note.Phase, m.note.Result = phaseSwitch, r
	return m.then("switch begun", m.saveNote())
}

// refuseSwitch refuses to open a folder that is on its way from one store to the
// other.
func refuseSwitch(dir string) error {
	n, err := readNote(dir)
	if err != nil || n == nil || n.Phase != phaseSwitch {
		return err
	}
	return store.Conflict("data folder", dir, "it is moving to the store %s, and everything is copied: run `tidegate migrate --to %s` again to end it", n.To, n.To)
}

// mustEnd refuses to look only where a switch waits for its end.
func (m *migration) mustEnd() error {
	if m.o.DryRun || m.o.VerifyOnly {
		return store.Conflict("data folder", m.o.Dir, "everything is copied and verified, and the switch has begun; run the command without --dry-run and --verify-only to end it")
	}
	return nil
}

// unchanged reports whether the source is still what was copied.
func (m *migration) unchanged() bool {
	n := m.note
	return n.Log == m.bounds.Log.String() && n.Applied == m.bounds.Head && n.Catalog == m.catalogHash()
}

// catalogHash tells apart catalogues that name devices or calibrate differently.
func (m *migration) catalogHash() string {
	b, err := json.Marshal(m.whole)
	if err != nil {
		return "" // times and numbers: it cannot
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// freeName answers a name that nothing in the folder has.
func (m *migration) freeName(name string) (string, error) {
	for try := 1; ; try++ {
		n := name
		if try > 1 {
			n += "-" + strconv.Itoa(try)
		}
		switch _, err := os.Lstat(m.file(n)); {
		case errors.Is(err, fs.ErrNotExist):
			return n, nil
		case err != nil:
			return "", err
		}
	}
}

func (m *migration) saveNote() error {
	b, err := json.MarshalIndent(m.note, "", "  ")
	if err == nil {
		err = m.replace(noteName, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("note how far the migration is: %w", err)
	}
	return nil
}

// replace gives a file in the folder a new content, durably and whole.
func (m *migration) replace(name string, b []byte) error {
	tmp := m.file(name + ".tmp")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, m.file(name)); err != nil {
		return err
	}
	return syncFolder(m.o.Dir)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
