package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const (
	alarmKillDrill = "drill.kill"
	killLook       = 200 * time.Millisecond // between two looks at what is left
)

// drillKill tries the kill switch of an identity for real, and says what came of it (R111).
func (s *serving) drillKill(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	id, before := workflows.IdentityID(o.ID), time.Now()
	begun, err := s.desk.BeginKillDrill(ctx, desk.KillDrill{
		Cause: cause, By: by, Identity: id, Why: strings.TrimSpace(o.Reason), Authn: unixPeer, Channel: viaCLI, Yes: o.Args["yes"] != "",
	})
	if err != nil {
		return reply{}, err
	}
	if begun.Refusal != nil {
		return refusedReply(begun.Refusal), nil
	}
	made := make(chan identities.KillDrilled, 1)
	err = s.soon(ctx, func(ctx context.Context) error {
		e, err := s.endKillDrill(ctx, id, by, begun, before)
		made <- e
		return err
	})
	if errors.Is(err, errGoesOn) {
		return reply{OK: true, Text: "This takes longer than a command waits; it goes on, and countersign identities show " + o.ID + " says when it went well. Until then it is quarantined."}, nil
	}
	if err != nil {
		return reply{}, err
	}
	e := <-made
	if !e.OK {
		return reply{Code: "drill", Refused: fmt.Sprintf("The drill of the kill switch of %s failed: %s. It stays quarantined: countersign quarantine release %s takes two people.", id, e.Text, id)}, nil
	}
	out := reply{OK: true, ID: string(id), Status: "kill switch tried", Text: fmt.Sprintf("The kill switch of %s works: refused after %d ms; %s taken back and read back as gone after %d ms; %s. It may ask again.",
		id, e.RefusedMS, howMany(e.Grants, "grant"), e.EmptyMS, lockWords(e.Locked))}
	out.Data, err = json.Marshal(e)
	return out, err
}

func lockWords(t workflows.TargetID) string {
	if t == "" {
		return "no target has an account of it that the bot can lock"
	}
	return "its account on " + string(t) + " was locked"
}

// endKillDrill waits until nothing is left of what the identity had, and records how it went. A drill that the bot's stop breaks off is a failed one.
func (s *serving) endKillDrill(ctx context.Context, id workflows.IdentityID, by workflows.Acting, begun desk.KillBegun, before time.Time) (identities.KillDrilled, error) {
	e := identities.KillDrilled{For: begun.For, Grants: begun.Ended, Authn: unixPeer, Channel: viaCLI}
	refuses, err := s.desk.KillRefuses(ctx, id)
	e.RefusedMS = time.Since(before).Milliseconds()
	if err != nil || !refuses {
		e.Step, e.Text = identities.KillStepRefuse, "what it asked was not refused because of the quarantine"
	} else {
		wait, cancel := s.sweeper.lasting(ctx, identities.DrillLasts)
		e.Locked, err = s.killed(wait, id, begun.For)
		cancel()
		if e.EmptyMS = time.Since(before).Milliseconds(); err != nil {
			e.Step, e.Text = identities.KillStepRevoke, err.Error()
		}
	}
	e.OK = e.Step == ""
	if e, err = s.desk.EndKillDrill(ctx, id, by, e); err == nil && !e.OK {
		s.alarm(alarmKillDrill+"/"+string(id), cmp.Or(e.Step, "drill"), screens.Sentencef("The drill of the kill switch of %s failed: %s. It stays quarantined.", string(id), e.Text))
	}
	return e, err
}

// killed waits until an identity holds nothing, and what its quarantine demands is done.
func (s *serving) killed(ctx context.Context, id workflows.IdentityID, since int64) (workflows.TargetID, error) {
	tick := time.NewTicker(killLook)
	defer tick.Stop()
	for {
		held, working, locked, err := s.desk.KillLeft(context.WithoutCancel(ctx), id, since)
		if err == nil && held == 0 && !working {
			return locked, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			switch {
			case err != nil:
				return "", fmt.Errorf("what it holds could not be read")
			case held > 0:
				return "", fmt.Errorf("%s not taken back in time", quantity(held, "grant was", "grants were"))
			}
			return "", fmt.Errorf("its account was not locked in time")
		}
	}
}

// triedWords say when a kill switch was tried, and whether a drill did it.
func triedWords(day string, d *identities.KillDrill) string {
	if d == nil || day != d.At.UTC.Time().Format("2006-01-02") {
		return day
	}
	return fmt.Sprintf("%s by drill, %s taken back in %d ms", day, howMany(d.Grants, "grant"), d.EmptyMS)
}
