package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

const escalationsUsage = "list [-all] | show ID | ack [ID] [NOTE] | close ID HOW | drill PATH | tree"

// escalationsCommand answers what cannot wait, from the bot's host, with or without Slack; and prints whom to call when nothing works.
func escalationsCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "escalations", escalationsUsage+"\nAn ID may be cut to its end; ack without one means the only open one. tree needs no running bot.")
	all := x.flags.Bool("all", false, "with list: those that are over, too")
	if len(p.args) > 0 && p.args[0] == actTree {
		x.remote = func() bool { return true } // nothing is sent: the bot may be gone
	}
	words, err := x.parse(1, maxIncidentWords)
	if err != nil {
		return err
	}
	verb, rest := words[0], words[1:]
	if verb == actTree {
		return x.tree(rest)
	}
	o := order{Do: doEscalations, What: verb}
	need := 0
	switch verb {
	case actList:
		if *all {
			o.Args = map[string]string{"all": "yes"}
		}
	case actAck:
	case actShow, actDrill:
		need = 1
	case actClose:
		need = 2
	default:
		return usageError{"there is no escalations " + printable(verb) + ": list, show, ack, close, drill, tree"}
	}
	if len(rest) < need {
		return usageError{"something is missing: " + escalationsUsage}
	}
	if len(rest) > 0 {
		o.ID, o.Reason = rest[0], strings.Join(rest[1:], " ")
	}
	return x.doData(ctx, o)
}

const (
	doEscalations = "escalations"

	actAck   = "ack"
	actClose = "close"
	actDrill = "drill"
	actTree  = "tree"
)

// tree prints whom to call: out of the folder, or else what the bot kept when it could read it last.
func (x *person) tree(rest []string) error {
	if len(rest) > 0 {
		return usageError{fmt.Sprintf("%q is too much", rest[0])}
	}
	c, err := loadConfig(x.p.env)
	if err != nil {
		return err
	}
	t, err := treeOfFolder(c)
	if err != nil {
		kept, why := readTree(c)
		if why != nil {
			return hint(errors.Join(err, why), "set %s_CONFIG to the folder, or %s_DATA to where the bot keeps what it read last", prefix, prefix)
		}
		fmt.Fprintf(x.p.err, "The folder cannot be read, so this is what the bot kept at %s: %v\n", kept.Kept, err)
		t = kept
	}
	if *x.asJSON {
		enc := json.NewEncoder(x.p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(t)
	}
	t.write(x.p.out)
	return nil
}

// treeOfFolder is the tree as the files have it. Who is on shift is reckoned now.
func treeOfFolder(c Config) (callTree, error) {
	if c.Config == "" {
		return callTree{}, fmt.Errorf("%s_CONFIG is not set", prefix)
	}
	p, err := readPolicies(c.Config, c.feeds())
	if err != nil {
		return callTree{}, err
	}
	policy, err := policyOf(p)
	if err != nil {
		return callTree{}, err
	}
	return treeOf(policy, workflows.StampOf(time.Now())), nil
}
