// Package pki is who may speak to whom over the link: certificates, what they are checked for, and
// what is said when they are refused.
//
// Both ends show a certificate. What counts of it:
//
//	role   URI SAN urn:replicator:role:source or urn:replicator:role:target. A source certificate
//	       cannot serve, a target certificate cannot dial in. A PKI that makes no URI SANs uses a DNS
//	       SAN source.replicator.internal or target.replicator.internal.
//	job    URI SAN urn:replicator:job:NAME, any number. A certificate without one is for every job.
//	host   DNS and IP SANs as usual; the source end looks for the host that it dialed in the target
//	       end's certificate. Nobody looks at those of a source certificate, they are for the log.
//	usage  extended key usage clientAuth for a source, serverAuth for a target, if there is any.
//	CA     signed by one in the CA file, which may hold several: of two sites, or old and new.
//
// [Load] reads and checks an end's own files, so that what cannot work is refused before a
// connection is made. [Identity.Server] and [Identity.Client] are the two sides of TLS 1.3, and
// [Explain] makes one line for people of what crypto/tls says when they do not come together.
//
// An [Authority] is a private CA in a directory, for who has no PKI: see replicator keys.
package pki
