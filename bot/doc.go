// Package bot is where Slack and the desk meet: it maps who acted to an account and a person, turns an interaction into one command of
// workflows/desk, and turns what the desk says into screens. It also tells people what they are owed and repaints what they look at.
//
// It never decides: every button, form and command ends in a desk command that checks everything again. It opens no database; the rows it
// keeps (accounts, surfaces, the inbox) are behind interfaces declared here, which cmd joins to the store. Called by bot/slack through
// Handler, by the jobs loop through Notify and Paint, and by the desk as its Directory.
package bot
