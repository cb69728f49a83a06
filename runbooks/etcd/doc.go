// Package etcd grants roles of an etcd cluster (3.4 or later) to users that it has, takes them back and reads them back. It is the smallest whole
// connector here, and the one to copy: etcd.go, under 150 lines, is all that granting and taking back needs; list.go has the optional parts.
//
//	id: config-store
//	title: Configuration store
//	connector: etcd
//	owner: jonas
//	environment: production
//	data_class: internal
//	settings:
//	  url: https://etcd.example.org:2379
//	  username: countersign
//	  password_file: /run/secrets/etcd.password
//	entitlements:
//	  - id: flags-write
//	    title: Change feature flags
//	    description: Writes the keys below /flags.
//	    business_task: Switching off what breaks the shop.
//	    review_date: 2036-01-01
//	    longest: 4h
//	    account: true
//	    shared: true
//	    params:
//	      role: flags-writer
//
// The account is the user's name. The bot's own user must have the role root: etcd lets nobody else change who has a role, so that the bot's
// password opens everything there. doctor says so, and finds that no other user has that role for ever. Root itself is not granted.
//
// Drills log in as the canary where canary_password_file (or _env) has the password of the user of drill_account, and canary_reads names a key that the role
// lets it read: they must be let in to it, and refused afterwards.
//
// A role that a user has already is taken for ours: etcd keeps neither who gave it nor when. Its log (--logger zap, --log-level info) says when a user got a
// role and when it was taken away, and not by whom nor for which grant: nothing of etcd has a comment. So the log leads to the grant by user and
// time, which every plan says. Access has no expiry, and ends with the next call after a revocation; a watch that is open goes on until it is closed.
package etcd
