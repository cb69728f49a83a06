// Package ldap grants membership of a group in a directory (OpenLDAP, and what speaks LDAPv3 like it), takes it back, and
// reads it back.
//
// There are two ways, chosen for a whole target:
//
//   - A standing group. The account becomes a member; beside the member the group gets a value of "description" that names
//     grant and request, in the same modification. That mark tells our memberships from those that others made, which are
//     neither taken for ours nor taken away by a revocation. The directory ends nothing by itself.
//   - A group of its own for each grant (setting "dynamic_under"), of the class dynamicObject (RFC 2589): the directory
//     removes it when its time is over, even if the bot is dead, and with it the memberOf of its member. It is made with the
//     bot as its only member, is told its end, and only then gets the holder, so that a crash in between leaves nothing that
//     lasts. Its "seeAlso" is the group that is granted: applications look for groups with that seeAlso.
//
// The bot's account needs, and Probe tries each without an effect (no-op control, where the directory has it):
//
//	read    people and groups: the account attribute, cn, objectClass, description, member
//	write   member (uniqueMember, memberUid) and description of the groups below "groups"
//	manage  entryTtl of what it made itself, and write children, below "dynamic_under"
//	read    the access log, where "accesslog" is set: who made a membership by hand, and when
//	not     write anything of people
//
// For OpenLDAP:
//
//	access to dn.children="ou=programs,dc=example,dc=org" attrs=userPassword by dn.exact="cn=countersign,dc=example,dc=org" =wx by anonymous auth
//	access to dn.subtree="ou=programs,dc=example,dc=org" by dn.exact="cn=countersign,dc=example,dc=org" write by * read
//	access to attrs=userPassword by anonymous auth by self write
//	access to attrs=entryTtl by dnattr=creatorsName manage by * read
//	access to dn.children="ou=groups,dc=example,dc=org" filter=(objectClass=groupOfNames) attrs=member,description by dn.exact="cn=countersign,dc=example,dc=org" write by * read
//	access to dn.subtree="ou=jit,dc=example,dc=org" by dn.exact="cn=countersign,dc=example,dc=org" write by * read
//	access to * by * read
//
// and for the second way: moduleload dds, overlay dds, dds-interval 10 (its default of one hour would be the delay of every
// end), dds-max-ttl as long as the longest grant.
//
// The first two rules are for the setting programs: below it lie accounts of programs, whose passwords are rotated in place. An entry takes two passwords until
// the old one is retired; the bot writes them and reads none. With the second rule the bot makes the entries of new identities there, and deletes them when
// those are taken off; without it people do.
//
// Drills log in as the canary where canary_password_file (or _env) has the password of the account of drill_account, and canary_reads names an entry that
// members of the group can read and others cannot: they must read it while they have the membership, and not afterwards.
//
//	access to dn.base="cn=canary,dc=example,dc=org" by group.exact="cn=dba,ou=groups,dc=example,dc=org" read by * none
//
// A target of a configuration folder:
//
//	id: directory
//	title: Directory
//	connector: ldap
//	owner: ravi
//	environment: production
//	data_class: internal
//	settings:
//	  url: ldaps://directory.example.org
//	  bind_dn: cn=countersign,dc=example,dc=org
//	  password_file: /run/secrets/directory.password
//	  people: ou=people,dc=example,dc=org
//	  groups: ou=groups,dc=example,dc=org
//	  dynamic_under: ou=jit,dc=example,dc=org
//	  accesslog: cn=log
//	  programs: ou=programs,dc=example,dc=org
//	entitlements:
//	  - id: dba
//	    title: Database administrators
//	    description: Membership of the group dba, which the databases ask for.
//	    business_task: Maintenance of databases.
//	    review_date: 2036-01-01
//	    longest: 8h
//	    account: true
//	    params:
//	      group: dba
//
// Foreign text reaches the directory as an escaped part of a filter, or as a value: never as a filter or a DN.
package ldap
