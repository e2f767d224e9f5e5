// Package wire makes two sites on one machine and a link between them, for benchmarks:
//
//	network namespace source                network namespace target
//	  programs there --------veth====tbf====veth--------- proxy (distance) | programs there
//
// The rate is the kernel's: a token bucket on each end of a veth pair. The distance is the proxy's (package
// proxy), which stands at the target, so that bytes under way have already crossed the wire; a round trip
// of 0 goes without it. Servers are reached from everywhere through their sockets.
//
// Needs root, ip, tc and ethtool.
package wire
