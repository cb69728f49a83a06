// Package x509 is a small certificate authority: client certificates for TLS and SPIFFE X.509-SVIDs that last as long as a grant,
// and a list of those that were taken back.
//
// The key pair is the holder's: a form field holds a certificate request (PKCS #10), whose signature proves that the holder has
// the private key; nothing else of the request is used. An entitlement with the parameter "key: made" has a key made instead,
// which is handed over once. What the certificate says is the entitlement's: a common name (the holder's account by default),
// organizations, or a SPIFFE ID. Its serial number comes from the grant's id, which stands in the subject as well, so that the
// log of a server leads to the grant.
//
// A certificate ends by itself. Taking it back earlier puts it on the list (RFC 5280), which is served at /x509/crl and
// /x509/crl.pem; a server refuses the certificate once it has fetched the list, and one that never does lets it in until its
// end. That is why no certificate lasts longer than a day. The authority's own certificate is served at /x509/ca.pem.
//
// There is one authority for all targets: its key is the file keys/x509, its register lies in the data folder. It has no rights
// anywhere: servers that trust ca.pem are what it reaches, and Probe is about the files and the address of the list.
//
// A step "rotate" of a runbook replaces a certificate (named by the account, or as the inventory names it: "certificate SERIAL") by one for a new key, which is
// made here and handed over once with it. It says what the old one says and ends when that would have ended; it is shown to a server before the old one goes on
// the list; and whoever takes the grant back takes both. Whose key pair was their own gets one of ours this way: asking again would leave them theirs.
//
// The settings are optional. With them, forms offer what they name, and nothing else is certified for that target.
//
// Drills connect as the canary where canary_address names a server (host:port) that trusts ca.pem and fetches the list: it must let the canary's certificate in,
// and refuse it once the list is due to have arrived. A server of HTTP may also refuse with a status of its own, as nginx does. canary_ca_file holds the
// authorities of that server's own certificate where the system does not know them.
//
// A target of a configuration folder, and a field of its workflow:
//
//	id: edge
//	title: Edge servers
//	connector: x509
//	owner: ravi
//	environment: production
//	data_class: internal
//	settings:
//	  organizations: edge-operators edge-readers
//	  spiffe_ids: spiffe://northwind.example/edge/*
//	entitlements:
//	  - id: operator
//	    title: Operator of the edge
//	    description: A client certificate that the edge servers let in as an operator.
//	    business_task: Looking at an edge server when something is wrong.
//	    review_date: 2036-01-01
//	    longest: 8h
//	    account: true
//	    params:
//	      organization: [edge-operators]
//
//	fields:
//	  - {name: csr, label: Certificate request, type: csr}
package x509
