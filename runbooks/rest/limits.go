package rest

import "time"

const (
	// connectTimeout bounds the connection and the TLS handshake, each, so that one dead address does not use up a call.
	connectTimeout = 10 * time.Second

	// maxConns bounds the connections to one service; 5,000 grants may end in one second.
	maxConns = 16

	// idle is how long a connection is kept for the next call.
	idle = 30 * time.Second

	// maxBody bounds an answer: a page of 100 members with all their addresses takes 120 KB at GitHub, a list of IAM
	// policies 1 MB.
	maxBody = 4 << 20

	// maxHeader bounds the headers of an answer.
	maxHeader = 64 << 10

	// maxWords bounds what a service says in its own words and we repeat.
	maxWords = 200

	// maxURL bounds an address.
	maxURL = 8000
)
