package bot_test

import "testing"

// An incident is opened, joined, handed over and closed with a line each; its channel and the new commander are told.
func TestStoryIncident(t *testing.T) {
	w := start(t, nil)
	w.command("maya", "/incident", "")
	wantIn(t, w.heard("maya"), "Open incidents", "None is open")
	w.command("maya", "/incident", "frobnicate INC-1 x")
	wantIn(t, w.heard("maya"), "/incident handover INC-7")
	w.command("maya", "/incident", "open sev2 Checkout <!channel> hangs #incidents")
	wantIn(t, w.heard("maya"), "INC-1", "SEV-2", "Checkout")
	w.run()
	wantIn(t, w.card("incidents").Visible(), "Incident opened by", "Maya Chen", "SEV-2")
	w.command("jonas", "/incident", "join inc-1 executor")
	wantIn(t, w.heard("jonas"), "executors", "Jonas")
	w.command("jonas", "/incident", "close INC-1 it works again")
	wantIn(t, w.heard("jonas"), "Only the commander closes")
	w.command("maya", "/incident", "handover INC-1 @nobody-here it stands badly")
	wantIn(t, w.heard("maya"), "Not done")
	w.command("maya", "/incident", "handover INC-1 @jonas the standby is being promoted")
	w.run()
	wantIn(t, w.dm("jonas").Visible(), "Command went from", "the standby is being promoted")
	w.command("jonas", "/incident", "severity INC-1 1 all shops")
	wantIn(t, w.heard("jonas"), "SEV-1")
	w.command("jonas", "/incident", "close INC-1 it works again")
	w.run()
	wantIn(t, w.card("incidents").Visible(), "Closed by", "it works again", "being taken back")
	w.command("maya", "/incident", "list")
	wantIn(t, w.heard("maya"), "None is open")
}
