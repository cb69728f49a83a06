// Package vault grants what HashiCorp Vault or OpenBao hands out: dynamic credentials that hang on a lease, signed SSH
// keys and signed certificates. It takes them back as far as the engine behind them can, and reads them back.
//
// # A target
//
//	id: vault-db
//	title: Databases through Vault
//	connector: vault
//	owner: jonas
//	environment: production
//	data_class: internal
//	settings:
//	  url: https://vault.northwind.example:8200
//	  token_file: /run/countersign/vault-token
//	  engine: leases
//	  role: countersign
//	  wrap_seconds: "3600"
//	entitlements:
//	  - id: orders-read
//	    title: Read the orders
//	    description: A login of its own on the orders database, which Vault makes and drops.
//	    business_task: Finding out why an order failed.
//	    review_date: 2036-01-01
//	    params:
//	      path: database/creds/orders-read
//	      policies: orders-read
//
// A target speaks to one kind of engine: "leases" for anything that answers a read with a lease (databases, clouds,
// message brokers), "ssh" for signed keys, "pki" for signed certificates. The path is what is read or written, such as
// database/creds/orders-read, ssh-client/sign/deploy or pki/sign/clients. namespace names one of Vault Enterprise's.
//
// scope names what is compared with the ledger (leases below these paths, certificates of these engines) and whose roles forms offer.
//
// # Leases
//
// For each grant the bot makes a token of its own, called after the grant, with the policies that the entitlement names,
// that lasts until the grant's end and no longer; with it the credentials are read. Their lease hangs on that token: when
// the token is revoked, or ends by itself, they go with it, also when the bot died between the two calls. The database's
// own user is called after the token, so its log shows the grant. What is read goes to the holder through the hand-over; with
// wrap_seconds as a token that gives it once (response wrapping), so that a second opening is noticed. Which token and
// lease belong to a grant stands in a folder below the bot's data; neither can be used to read anything.
//
// Where a control group of Vault Enterprise must authorise the read first, the holder is handed the wrapping token that Vault gave
// instead, and the grant counts as unconfirmed until people have authorised it in Vault: the card says under which
// accessor they find it. Vault lists such requests to nobody; the bot knows those of its own grants.
//
// # Signed keys and certificates
//
// The holder pastes a public key (field "key") or a certificate request (field "csr"), so that nothing secret is handed
// over. Vault keeps no list of revoked SSH certificates: one that was signed holds until its end, a revocation before that
// stays unconfirmed, and the card says so; choose short times. A certificate of the pki engine is put on its list of revoked ones,
// which those who check it must read.
//
// # Rights
//
// The policy of the bot's token, for a target of each engine. doctor asks Vault for the token's capabilities on these paths, and refuses a
// root token and one that may write policies.
//
//	path "auth/token/create/countersign"     { capabilities = ["update"] }
//	path "auth/token/revoke-accessor"        { capabilities = ["update"] }
//	path "auth/token/lookup-accessor"        { capabilities = ["update"] }
//	path "sys/leases/lookup"                 { capabilities = ["update"] }
//	path "sys/leases/lookup/database/creds/*" { capabilities = ["list", "sudo"] }
//	path "sys/leases/revoke"                 { capabilities = ["update"] }
//	path "sys/wrapping/wrap"                 { capabilities = ["update"] }
//	path "database/roles"                    { capabilities = ["list"] }
//	path "ssh-client/sign/*"                 { capabilities = ["update"] }
//	path "ssh-client/roles"                  { capabilities = ["list"] }
//	path "pki/sign/*", "pki/revoke"          { capabilities = ["update"] }
//	path "pki/roles", "pki/certs"            { capabilities = ["list"] }
//	path "pki/cert/*"                        { capabilities = ["read"] }
//
// A target of any engine rotates the secret ids of programs' AppRoles (the account of a rotation is MOUNT/ROLE: approle/ci): the next one is made
// beside the old one, logs in, and then the one that was named is destroyed, or every other one. Tokens that were made with it live until their own end. The
// bot's token then needs, for those roles alone:
//
//	path "auth/approle/role/ci"              { capabilities = ["read"] }
//	path "auth/approle/role/ci/role-id"      { capabilities = ["read"] }
//	path "auth/approle/role/ci/secret-id"    { capabilities = ["list"] }
//	path "auth/approle/role/ci/custom-secret-id", "auth/approle/role/ci/secret-id/lookup", "auth/approle/role/ci/secret-id-accessor/destroy" { capabilities = ["update"] }
//
// The token role (role) says with allowed_policies which policies can be given to the grants' tokens at most.
//
// # How it is tested
//
// No server of Vault or OpenBao can be built or fetched where the tests run: they use a small fake of the HTTP API, whose
// database engine makes real PostgreSQL roles where PostgreSQL is installed. With COUNTERSIGN_TEST_VAULT_ADDR and
// COUNTERSIGN_TEST_VAULT_TOKEN set, one of them runs against the server at that address.
package vault
