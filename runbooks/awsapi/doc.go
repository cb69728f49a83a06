// Package awsapi makes signed calls to AWS for the connectors to it: the query protocol of IAM and STS (XML) and the JSON
// protocol of IAM Identity Center. It is written against the wire protocols instead of the services' SDKs, of which ten
// calls are needed; only the signer is AWS's own. It decides nothing.
package awsapi
