// Package awsiam grants permissions to users of an AWS account: as an inline policy of the user that ends by itself, which
// allows actions, or allows to take on a role. It takes them back and reads them back, ends the sessions of a role, finds
// access keys with their last use, and replaces them.
//
// # A target
//
//	id: aws
//	title: AWS production
//	connector: awsiam
//	owner: jonas
//	environment: production
//	data_class: internal
//	settings:
//	  region: eu-central-1
//	  access_key_id_file: /etc/countersign/aws.id
//	  secret_access_key_file: /etc/countersign/aws.secret
//	  assume_role: arn:aws:iam::111122223333:role/countersign
//	  boundary: arn:aws:iam::111122223333:policy/people
//	entitlements:
//	  - id: logs
//	    title: Read the shop's logs
//	    description: Reads the log groups of the shop.
//	    business_task: Finding out why an order failed.
//	    review_date: 2036-01-01
//	    account: true
//	    params:
//	      actions: [logs:GetLogEvents, logs:FilterLogEvents]
//	      resources: arn:aws:logs:eu-central-1:111122223333:log-group:shop:*
//	  - id: operator
//	    title: Operate production
//	    description: Takes on the role operator.
//	    business_task: Repairing production.
//	    review_date: 2036-01-01
//	    account: true
//	    params:
//	      role: arn:aws:iam::111122223333:role/operator
//
// The account is the name of an IAM user. An entitlement has actions and resources, or a role. Actions of IAM and of the
// other services that hand out access are refused, since what they make outlives the grant, and so is the wildcard alone.
//
// # How it works
//
// The policy is called countersign-<grant> and says, as a condition, when it ends (aws:CurrentTime): the access ends even if
// the bot is dead. Each grant has a policy of its own, so grants never disturb each other; all inline policies of a user
// share 2,048 characters, which is enough for about five.
//
// A role is taken on with the grant's id as the session's name, and only so: CloudTrail then shows the grant with every
// call. Its sessions may last longer than the grant (up to the role's own longest session, 1 to 12 hours) when the bot is
// dead; a revocation ends them at once, by an inline policy countersign-ended-<grant> of the role that denies everything to
// sessions of that name. It is the same as the console's AWSRevokeOlderSessions, but for one grant's sessions alone, and is removed
// after the longest session.
//
// # Rights
//
// The bot's user needs what Permissions gives, no more; countersign doctor asks AWS to simulate it (which needs
// iam:SimulatePrincipalPolicy on itself) and refuses a root account. Because whoever may write inline policies could give
// themselves everything, the right is bound to users with the permissions boundary that the setting names: people can then
// never get more than it allows. Without boundary, doctor says that this is missing.
//
// Keys come from files or the environment, never from the configuration; with assume_role the keys may do nothing but take
// on that role.
package awsiam
