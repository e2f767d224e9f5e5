package link

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// tcpLoss reads TCP_INFO.
func tcpLoss(c *net.TCPConn) (l Loss, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return l, false
	}
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		l = Loss{Segments: uint64(info.Segs_out), Resent: uint64(info.Total_retrans), RoundTrip: time.Duration(info.Rtt) * time.Microsecond}
		ok = true
	})
	return l, ok && err == nil
}
