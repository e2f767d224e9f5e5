// Package proxy is a TCP proxy that is a bad line: for tests that need faults and for benchmarks
// that need distance. It runs in the process that uses it.
//
//	client ---up---> [ line: delay, rate ] ---> faults ---> target
//	client <--- faults <--- [ line: delay, rate ] <--down-- target
//
// A line is a delay line: a byte leaves [Line.Delay] after it came in, however many are under
// way, so distance does not cost throughput. Both ends of a connection are answered by this
// machine's kernel; what is far is what the programs say to each other. So a new connection
// takes no round trip, and windows of TCP do not grow with the distance: the proxy stands for
// hosts whose TCP is tuned for it.
//
// Faults are switched while connections run. A cut closes them, and new ones are closed as soon
// as they are made. Half-open is what a firewall does that has forgotten its connections:
// everything is swallowed, nobody is told. TCP never delivers a stream with a hole, so a
// connection that has lost anything stays silent, also after [Proxy.Resume], until its ends hang up.
//
// Words: up is the direction from client to target, down the other. Carried bytes are those that
// have left a line towards the far end; swallowed ones have left it towards nowhere.
package proxy
