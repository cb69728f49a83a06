package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// signers: the list of keys that have signed is what the entries say of changes. A start reads it before it reads entries, and heads that others
// remember are believed under any key on it.
func (i *inspection) signers(context.Context) error {
	if i.s.version < versionCosig {
		return nil
	}
	n := 0
	err := i.q.each(`SELECT idx, vkey FROM log_key ORDER BY idx`, func(scan func(...any) error) error {
		var idx int64
		var vkey string
		if err := scan(&idx, &vkey); err != nil {
			return err
		}
		n++
		switch want, changed := i.keys[idx]; {
		case !changed:
			i.d.wrong("The key %s is on the list of those that signed since entry %d, which changes no key.", vkey, idx)
		case want != vkey:
			i.d.wrong("Entry %d changes the key to %s; the list of keys says %s.", idx, want, vkey)
		}
		delete(i.keys, idx)
		return nil
	})
	for _, idx := range slices.Sorted(maps.Keys(i.keys)) {
		i.d.wrong("Entry %d changes the key to %s, which is not on the list of keys.", idx, i.keys[idx])
	}
	i.d.Compared = append(i.d.Compared, fmt.Sprintf("log_key: %d changes of the key", n))
	return err
}
