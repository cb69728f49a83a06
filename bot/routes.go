package bot

import (
	"context"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
)

// handler acts on one interaction of a person.
type handler func(context.Context, *call) (answer, error)

// listener acts on an event; nobody waits for an answer.
type listener func(context.Context, slack.Interaction) error

// routes says what happens when somebody types, clicks, sends or when Slack tells us something. Only what stands here can change anything:
// reactions, edits and mentions have no row, and a message is at most a comment (R2, T12).
type routes struct {
	commands  map[string]handler
	shortcuts map[string]handler
	actions   map[string]handler
	forms     map[string]handler
	events    map[string]listener
	suggest   handler // what is typed into long menus
}

func (b *Bot) table() routes {
	return routes{
		commands: map[string]handler{
			"/access":     b.access,
			"/breakglass": b.breakglass,
			"/incident":   b.incident,
		},
		shortcuts: map[string]handler{
			"request_access":       b.openForm,
			"request_access_about": b.aboutMessage,
		},
		actions: map[string]handler{
			screens.ActApprove:  b.approve,
			screens.ActDeny:     b.openDeny,
			screens.ActRead:     b.openRead,
			screens.ActMore:     b.more,
			screens.ActWithdraw: b.withdraw,
			screens.ActTakeBack: b.takeBack,
			screens.ActDone:     b.done,
			screens.ActSecret:   b.openSecret,
			screens.ActRevoke:   b.openRevoke,
			screens.ActReview:   b.openReview,
			screens.ActForm:     b.openForm,
			screens.ActPick:     b.picked,

			screens.ActOffer:          b.openOffer,
			screens.ActAccept:         b.acceptOffer,
			screens.ActDecline:        b.declineOffer,
			screens.ActExtend:         b.openExtend,
			screens.ActAway:           b.openAway,
			screens.ActBack:           b.back,
			screens.ActPolicyApprove:  b.policyApprove,
			screens.ActPolicyDeny:     b.policyDeny,
			screens.ActStep:           b.stepOpened,
			screens.ActStepNo:         b.stepDeclined,
			screens.ActDelegate:       b.openDelegate,
			screens.ActPage:           b.turnPage,
			screens.ActPage + ".back": b.turnPage,

			screens.ActSheetNext:    b.sheetNext,
			screens.ActSheetKeep:    b.sheetKeep,
			screens.ActSheetAll:     b.sheetKeepAll,
			screens.ActSheetOther:   b.sheetOther,
			screens.ActRunStep:      b.stepRun,
			screens.ActRunDone:      b.stepDone,
			screens.ActRunSkip:      b.stepSkip,
			screens.ActRunBack:      b.runBack,
			screens.ActRunClose:     b.runClose,
			screens.ActConfirmGlass: b.agreed,
			screens.ActAck:          b.acknowledge,
		},
		forms: map[string]handler{
			screens.CallForm:   b.submit,
			screens.CallDeny:   b.deny,
			screens.CallDecide: b.decide,
			screens.CallRevoke: b.revoke,
			screens.CallReview: b.closeReview,
			screens.CallInvoke: b.invokeFilled,
			screens.CallOffer:  b.offerMade,
			screens.CallAway:   b.awayFilled,

			screens.CallRunNote: b.runNoted,

			screens.CallEvidence: b.evidenceLocked,
			screens.CallLeak:     b.leakFilled,
			screens.CallSheet:    b.sheetDecided,
		},
		suggest: b.suggest,
		events: map[string]listener{
			"app_home_opened":   b.homeOpened,
			"message":           b.threadAnswered,
			"function_executed": b.stepStarted,

			"assistant_thread_started": b.assistantOpened,
			"user_change":              b.userChanged,
			"team_join":                b.userChanged,
			"subteam_created":          b.groupsChanged,
			"subteam_updated":          b.groupsChanged,
			"subteam_members_changed":  b.groupsChanged,
			"channel_shared":           b.channelChanged,
			"channel_unshared":         b.channelChanged,
			"channel_archive":          b.channelChanged,
			"channel_unarchive":        b.channelChanged,
			"tokens_revoked":           b.tokensRevoked,
			"app_uninstalled":          b.tokensRevoked,
		},
	}
}

func (r routes) find(in slack.Interaction) (handler, bool) {
	var f handler
	switch in.Kind {
	case slack.KindCommand:
		f = r.commands[in.Command]
	case slack.KindBlockActions:
		if len(in.Actions) == 1 {
			f = r.actions[in.Actions[0].ActionID]
		}
	case slack.KindBlockSuggestion:
		f = r.suggest
	case slack.KindViewSubmission:
		f = r.forms[in.CallbackID]
	case slack.KindShortcut, slack.KindMessageAction:
		f = r.shortcuts[in.CallbackID]
	}
	return f, f != nil
}
