// Package kubernetes grants roles in a Kubernetes cluster for a while, or hands out short tokens of service accounts.
//
// With grants: bindings (the default) each grant is a RoleBinding of its own, or a ClusterRoleBinding for namespace "*", with
// the grant, request and end in its annotations and the grant in its name, which the audit log has at every level. Kubernetes
// ends no binding by itself.
//
// With grants: tokens each grant is a token of a service account, made by TokenRequest and bound to a Secret of this grant:
// deleting the Secret ends the token within ten seconds, and it ends by itself with the grant. The Secret is empty; a ConfigMap
// of the same name keeps what the bot has to know, so that it never needs to read a Secret. The token's id, which the audit log
// has as credential-id wherever the token is used, is an annotation of that ConfigMap.
//
// The bot's own service account. Its token is read anew for every call, since the cluster replaces it. For bindings:
//
//	kind: ClusterRole
//	rules:
//	- {apiGroups: [rbac.authorization.k8s.io], resources: [rolebindings], verbs: [create, get, list, update, delete]}
//	- {apiGroups: [rbac.authorization.k8s.io], resources: [roles, clusterroles], verbs: [get, list]}
//	- {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind], resourceNames: [view, edit]}
//	- {apiGroups: [""], resources: [serviceaccounts], verbs: [list]}
//
// bind, for the roles that may be granted and no others, is what keeps the bot from giving more: without it the API server lets
// it bind only what it has itself. update is needed to take one of several subjects out of somebody else's binding. For
// namespace "*" add clusterrolebindings to the first rule. For tokens, in the namespaces that are meant:
//
//	kind: Role
//	rules:
//	- {apiGroups: [""], resources: [secrets], verbs: [create, delete]}
//	- {apiGroups: [""], resources: [configmaps], verbs: [create, get, list, patch, delete]}
//	- {apiGroups: [""], resources: [serviceaccounts/token], verbs: [create], resourceNames: [deployer]}
//	- {apiGroups: [""], resources: [serviceaccounts], verbs: [list]}
//
// A target of a configuration folder:
//
//	id: cluster
//	title: Production cluster
//	connector: kubernetes
//	owner: ravi
//	environment: production
//	data_class: internal
//	settings:
//	  url: https://10.96.0.1
//	  ca_file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
//	  token_file: /var/run/secrets/kubernetes.io/serviceaccount/token
//	  namespaces: shop, payments
//	entitlements:
//	  - id: shop-edit
//	    title: Edit the shop
//	    description: Changes what runs in the namespace shop. Reads its secrets.
//	    business_task: Repairing the shop when the pipeline cannot.
//	    review_date: 2036-01-01
//	    longest: 2h
//	    account: true
//	    params:
//	      namespace: shop
//	      cluster_role: edit
//
// Foreign text goes into JSON and into escaped parts of paths, and nowhere else.
package kubernetes
