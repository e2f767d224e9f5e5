package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"replicator/bench/cluster"
	"replicator/bench/peer"
	"replicator/bench/wire"
)

// settings are those of the servers.
func settings() map[string]string {
	all := peer.Settings()
	all["listen_addresses"] = "*"
	return all
}

const hba = `local all         all           trust
local replication all           trust
host  all         all 127.0.0.1/32 trust
host  all         all ` + wire.SourceIP + wire.Prefix + ` trust
host  replication all ` + wire.SourceIP + wire.Prefix + ` trust
`

// site is a namespace and its server.
type site struct {
	ns wire.Netns
	ip string
	peer.Server
}

func startSite(ctx context.Context, ns wire.Netns, ip string, durable bool) (*site, error) {
	c, err := cluster.Start(ctx, cluster.Config{Version: peer.Version, Settings: settings(), HBA: hba, Durable: durable, Enter: ns.Enter})
	if err != nil {
		return nil, fmt.Errorf("start the server at %s: %w", ip, err)
	}
	return &site{ns: ns, ip: ip, Server: peer.Server{Cluster: c}}, nil
}

// address is the server's, on the wire.
func (s *site) address() string { return net.JoinHostPort(s.ip, strconv.Itoa(s.Port())) }

// dsnAt connects to a database by TCP at an address, which may be a proxy's.
func dsnAt(address, db string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: address, Path: "/" + db, RawQuery: "sslmode=disable"}
	return u.String()
}
