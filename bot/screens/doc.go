// Package screens draws everything that people see in Slack: a model goes in, blocks and the notification's text come out.
//
// It reads no clock, no network and no ledger: the moment, the names and the values of buttons are in the model, so that every screen has a
// golden file and can be drawn again at any time. It decides nothing either: whether a button stands on a screen is the caller's choice,
// made by giving it a value. Package bot is its only caller.
//
// What people typed is never markup: it goes into plain_text objects, or through Escape. State is said in words; a symbol only repeats it.
package screens
