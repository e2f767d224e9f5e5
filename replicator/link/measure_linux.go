package link

import (
	"net"

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
		l = Loss{Sent: info.Bytes_sent, Resent: info.Bytes_retrans}
		ok = l.Sent > 0 // a kernel before 4.19 does not count them
	})
	return l, ok && err == nil
}
