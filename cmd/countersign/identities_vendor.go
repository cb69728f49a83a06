package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// vendorHeld is what somebody outside holds, as a machine reads it.
type vendorHeld struct {
	ID       workflows.IdentityID `json:"id"`
	Kind     string               `json:"kind"`
	State    string               `json:"state"`
	Target   workflows.TargetID   `json:"target,omitempty"`
	Sponsor  string               `json:"sponsor,omitempty"`
	Contract workflows.Stamp      `json:"contract_end,omitzero"`
	Sources  []string             `json:"sources"`
	Left     []string             `json:"to_do,omitempty"` // items of its off-boarding that want evidence
	Evidence int                  `json:"evidence"`        // items that have it
}

// vendorIdentities are all identities of a vendor, also those that were registered by hand, in the order of their ids.
func (s *serving) vendorIdentities(ctx context.Context, by workflows.Acting, vendor string) ([]desk.IdentityView, error) {
	words := identities.Words(vendor)
	if len(words) == 0 {
		return nil, nil
	}
	var out []desk.IdentityView
	err := s.desk.EachIdentity(ctx, workflows.InventoryQuery{Words: words[:min(len(words), 8)]}, func(r workflows.InventoryRow) error {
		v, err := s.desk.Identity(ctx, by.Person, r.ID)
		if errors.Is(err, workflows.ErrNoStream) {
			return nil
		}
		if err == nil && strings.EqualFold(v.Entry.Vendor, vendor) {
			out = append(out, v)
		}
		return err
	})
	return out, err
}

// vendorReply lists what a vendor holds, and what is left of its off-boarding; with offboard it begins one for each of them.
func (s *serving) vendorReply(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	vendor := strings.TrimSpace(o.Args["words"])
	if !s.desk.SeesInventory(ctx, by.Person) {
		return s.refuse(ctx, cause, by, o.What, workflows.Refuse(workflows.CodeNotYours, "What a vendor holds is for owners of Countersign, security, auditors and operators.", ""))
	}
	list, err := s.vendorIdentities(ctx, by, vendor)
	if err != nil {
		return reply{}, err
	}
	if len(list) == 0 {
		return refusedReply(workflows.Refuse(workflows.CodeUnknown, "No identity of the inventory has the vendor "+printable(vendor)+".", "Register what they hold first: countersign identities import, column vendor.")), nil
	}
	if o.What == "offboard-vendor" {
		for _, v := range list {
			if v.State.Life.Retirement != nil {
				continue
			}
			res, err := s.desk.ChangeIdentity(ctx, desk.IdentityCommand{
				Cause: desk.Cause(cause) + desk.Cause("/"+string(v.Row.ID)), By: by, Identity: v.Row.ID, Do: desk.DoRetire, Reason: cmp.Or(o.Reason, "the vendor leaves"), Channel: viaCLI, Authn: unixPeer,
			})
			if err != nil {
				return reply{}, err
			}
			if res.Refusal != nil {
				return refusedReply(res.Refusal), nil
			}
		}
		if list, err = s.vendorIdentities(ctx, by, vendor); err != nil {
			return reply{}, err
		}
	}
	return s.vendorLines(vendor, list)
}

func (s *serving) vendorLines(vendor string, list []desk.IdentityView) (reply, error) {
	out := reply{OK: true}
	rows, open := []vendorHeld{}, 0
	for _, v := range list {
		row := vendorHeld{
			ID: v.Row.ID, Kind: v.Row.Kind, State: v.Row.State, Target: v.Entry.Target, Sponsor: s.keyOf(string(v.Entry.Sponsor)), Contract: v.Entry.ContractEnd, Sources: v.Row.Sources,
		}
		line := fmt.Sprintf("%s  %s, %s, on %s, sponsor %s, contract until %s, known from %s", row.ID, strings.ReplaceAll(row.Kind, "_", " "), row.State, cmp.Or(string(row.Target), "no target"),
			cmp.Or(row.Sponsor, "nobody"), dayOr(row.Contract, "no day on record"), strings.Join(row.Sources, ", "))
		out.Lines = append(out.Lines, line)
		if t := v.State.Life.Retirement; t != nil {
			row.Evidence = len(t.Done)
			for _, i := range t.Left() {
				row.Left = append(row.Left, i.ID)
				out.Lines = append(out.Lines, fmt.Sprintf("    evidence wanted: %s (countersign identities retired-item %s %s -evidence TEXT)", i.What, row.ID, i.ID))
			}
		}
		if row.State != workflows.IdentityRetired {
			open++
		}
		rows = append(rows, row)
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].ID < rows[j].ID })
	out.Text = fmt.Sprintf("%s holds %s; %d of them are not closed.", printable(vendor), quantity(len(rows), "identity", "identities"), open)
	var err error
	out.Data, err = json.Marshal(rows)
	return out, err
}
