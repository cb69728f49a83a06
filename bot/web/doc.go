// Package web serves the pages that a browser opens: the one where a person takes a secret that came with their access, once, and the ones
// that work when the chat does not, on which a listed person breaks the glass and an approver decides. Package cmd calls it and joins what it
// needs. It decides nothing: every command goes to the desk, and who somebody is was proved before.
//
// The address of a page opens nothing. A link to a secret is random, lives for five minutes and says nothing of itself; what it leads to is
// shown to who proves to be the holder, by a login at the company's identity provider or by a code that is sent to them in the chat, and only
// when they ask by a POST of their own: what follows links before people do sees a page without contents.
//
// Sessions (NIST SP 800-63B-4): 256 random bits in a cookie that no script reads, for this host only; another one as soon as somebody has
// proved who they are; ended after minutes. Every POST carries the session's own token and comes from a page of this origin. Nothing is
// cached, framed, indexed or told to other sites, and no script runs.
package web
