package main

import "context"

// killCommands take everything away from an identity, and put on record what the bot could not do itself.
func killCommands() []command {
	return []command{
		{"revoke-all", "IDENTITY -reason TEXT [-quarantine]", "the kill switch: take everything away from somebody, on all targets at once", revokeAllCommand},
		{"reach", "IDENTITY", "what somebody can get at now: the blast radius of their compromise", reachCommand},
		{"quarantine", "list | release IDENTITY -reason TEXT", "who is quarantined; lift it, which takes two people", quarantineCommand},
		{"identities", identitiesUsage, "the inventory: who and what has access, who answers for it, what is wrong with it", identitiesCommand},
		{"watch", "[-since 30d] [-usual] [-json]", "what looks unusual in the ledger, by the rules of watch.yaml", watchCommand},
		{"unlink", "ACCOUNT -reason TEXT", "say that a Slack account belongs to its person no more", unlinkCommand},
		{"removed-by-hand", "GRANT -reason TEXT", "say that you removed access on a target that the bot could not", byHandCommand},
	}
}

func revokeAllCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "revoke-all", "IDENTITY -reason TEXT [-quarantine]\nIDENTITY is a key or e-mail address of the people file, or the id of a non-human identity.")
	reason := x.flags.String("reason", "", "why; kept beside the ledger and erasable")
	lock := x.flags.Bool("quarantine", false, "also let it neither ask, decide nor hold anything until two people lift that")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	if *reason == "" {
		return usageError{"say why: -reason TEXT"}
	}
	return x.do(ctx, order{Do: doRevokeAll, ID: words[0], Reason: *reason, Quarantine: *lock})
}

func reachCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "reach", "IDENTITY")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	return x.do(ctx, order{Do: doReach, ID: words[0]})
}

func quarantineCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "quarantine", "list | release IDENTITY -reason TEXT")
	reason := x.flags.String("reason", "", "why it may be lifted")
	words, err := x.parse(1, 2)
	if err != nil {
		return err
	}
	switch {
	case words[0] == "list" && len(words) == 1:
		return x.do(ctx, order{Do: doQuarantine})
	case words[0] == "release" && len(words) == 2:
		if *reason == "" {
			return usageError{"say why: -reason TEXT"}
		}
		return x.do(ctx, order{Do: doRelease, ID: words[1], Reason: *reason})
	}
	return usageError{"want list, or release IDENTITY"}
}

func byHandCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "removed-by-hand", "GRANT -reason TEXT")
	reason := x.flags.String("reason", "", "how you removed it, and how you know that it is gone")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	if *reason == "" {
		return usageError{"say how you removed it and how you know: -reason TEXT"}
	}
	return x.do(ctx, order{Do: doByHand, ID: words[0], Reason: *reason})
}

func unlinkCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "unlink", "ACCOUNT -reason TEXT\nACCOUNT is a Slack member id, U… or T…/U…, that was linked by code or by the identity provider.")
	reason := x.flags.String("reason", "", "why; kept beside the ledger and erasable")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	if *reason == "" {
		return usageError{"say why: -reason TEXT"}
	}
	return x.do(ctx, order{Do: doUnlink, ID: words[0], Reason: *reason})
}
