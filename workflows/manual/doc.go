// Package manual says what approval chains do, in words and pictures for somebody who has never seen a configuration file: who may ask, what for,
// who decides in which order, what happens when nobody does, and why.
//
// It is pure: compiled workflows and names in, text out. It must never say more than the documents do, and never less of what limits
// somebody. It is called by `countersign docs`, which writes Markdown, and by package bot for the same words in the chat.
package manual
