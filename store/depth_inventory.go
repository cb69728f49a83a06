package store

import (
	"context"
	"fmt"
	"strings"
)

// inventory: its rows are of identities that entries speak about, and the index of words leads to those that have them. What each row says is
// compared with a fold of its stream, by whoever can fold.
func (i *inspection) inventory(context.Context) error {
	if i.s.version < versionInventory {
		return nil
	}
	var rows, words int64
	err := i.q.each(`SELECT words FROM inventory`, func(scan func(...any) error) error {
		var text string
		err := scan(&text)
		rows++
		words += int64(len(unspaced(text)))
		return err
	})
	if err != nil {
		return err
	}
	err = i.q.each(`
		SELECT r.id FROM inventory r
		WHERE NOT EXISTS (SELECT 1 FROM stream_entry e WHERE e.stream = 'identity/' || r.id)
		ORDER BY r.id`, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		i.d.wrong("The inventory lists %q, which no entry speaks about.", id)
		return err
	})
	if err != nil {
		return err
	}
	found, err := i.words()
	if err == nil && found < words {
		i.d.wrong("%d of %d words of the inventory are not in its index: a search does not find what is there.", words-found, words)
	}
	i.d.Compared = append(i.d.Compared, fmt.Sprintf("inventory: %d identities, %d words", rows, words))
	return err
}

// words counts the words that lead to an identity which has them; the others are wrong.
func (i *inspection) words() (found int64, err error) {
	err = i.q.each(`SELECT w.word, w.id, COALESCE(r.words, '') FROM inventory_word w LEFT JOIN inventory r ON r.id = w.id`, func(scan func(...any) error) error {
		var word, id, text string
		if err := scan(&word, &id, &text); err != nil {
			return err
		}
		if strings.Contains(text, " "+word+" ") {
			found++
		} else {
			i.d.wrong("The word %q leads to %q in the inventory, which does not have it.", word, id)
		}
		return nil
	})
	return found, err
}
