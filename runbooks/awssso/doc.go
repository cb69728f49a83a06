// Package awssso grants permission sets on AWS accounts to people of IAM Identity Center, which is asked for an assignment,
// works on it for a while, and is polled until it is done; takes them back and reads them back.
//
// # A target
//
//	id: aws-sso
//	title: AWS accounts
//	connector: awssso
//	owner: jonas
//	environment: production
//	data_class: internal
//	settings:
//	  region: eu-central-1
//	  access_key_id_file: /etc/countersign/aws.id
//	  secret_access_key_file: /etc/countersign/aws.secret
//	  instance: arn:aws:sso:::instance/ssoins-1111222233334444
//	  identity_store: d-1111222233
//	  scope: "111122223333"
//	entitlements:
//	  - id: prod-admin
//	    title: Administer production
//	    description: The permission set Administrator on the account production.
//	    business_task: Repairing production.
//	    review_date: 2036-01-01
//	    account: true
//	    shared: true
//	    params:
//	      account: "111122223333"
//	      permission_set: arn:aws:sso:::permissionSet/ssoins-1111222233334444/ps-aaaabbbbccccdddd
//
// The account of the holder is the user's name in the identity store. scope names the AWS accounts that the target stands
// for: nothing outside of them is granted, and all of them are listed when the target is compared with the ledger.
//
// # Rights
//
// sso:CreateAccountAssignment, DeleteAccountAssignment, ListAccountAssignments, ListPermissionSetsProvisionedToAccount, and
// the two DescribeAccountAssignment…Status, on the instance, the permission sets and the accounts in question;
// identitystore:GetUserId and DescribeUser on the store. For what forms and approvers are shown, also sso:ListPermissionSets and
// DescribePermissionSet, and identitystore:ListGroupMembershipsForMember. Not sso:* : permission sets are not the bot's to change. doctor
// calls each that reads, on every account of scope, tries nothing that writes, and asks AWS to simulate what the bot must not be allowed (which needs
// iam:SimulatePrincipalPolicy on itself).
//
// # What is special
//
// An assignment has no expiry. A session that is open in the console or a terminal goes on until it ends by itself: up to
// the permission set's session duration, 1 to 12 hours; AWS ends it sooner only by a policy that denies older sessions, on a
// role that only Identity Center may change. Choose a short session duration for what is granted here.
//
// An assignment to a group is no access of its own here: who has a permission set through a group is refused nothing, and
// keeps it when the grant ends. Who made an assignment AWS tells in CloudTrail only.
package awssso
