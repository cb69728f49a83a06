package main

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
)

// TestHeadsInMessages finds what the bot posts, and nothing that the ledger's key has not signed.
func TestHeadsInMessages(t *testing.T) {
	sign := func(size int64) (store.Checkpoint, string) {
		key, err := ledger.GenerateKey(rand.Reader, fixtureOrigin)
		if err != nil {
			t.Fatal(err)
		}
		s, err := key.Signer()
		if err != nil {
			t.Fatal(err)
		}
		cp := ledger.Checkpoint{Origin: fixtureOrigin, Size: size, Root: ledger.EmptyRoot()}
		msg, err := cp.Sign(s)
		if err != nil {
			t.Fatal(err)
		}
		return store.Checkpoint{Size: size, Root: cp.Root, Note: msg}, key.VKey()
	}
	mine, vkey := sign(7)
	forged, _ := sign(9)
	keys, err := ledger.Verifiers(vkey)
	if err != nil {
		t.Fatal(err)
	}
	posted := func(c store.Checkpoint) string { return checkpointWords(c).String() + "\n```" + string(c.Note) + "```" }
	got := headsIn([]string{
		"A word.", "``` not a head ```", posted(forged), posted(mine), strings.TrimSuffix(posted(mine), "```"),
		strings.Replace(posted(mine), "\n7\n", "\n8\n", 1),
	}, fixtureOrigin, "#audit", keys)
	if len(got) != 1 || got[0].Size != 7 || got[0].Root != mine.Root || got[0].From != "#audit" {
		t.Errorf("%+v", got)
	}
}
