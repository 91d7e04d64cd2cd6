/* SPDX-License-Identifier: GPL-2.0 */
/* Input to bindgen: the headers the modules need beyond those of the kernel crate. Sorted. */
#include <linux/fprobe.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/proc_fs.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file_net.h>
#include <linux/skbuff.h>
#include <linux/sock_diag.h>
#include <linux/sysctl.h>
#include <linux/tcp.h>
#include <net/genetlink.h>
#include <net/gso.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip_vs.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>
#include <net/netns/generic.h>
#include <net/protocol.h>
#include <net/route.h>
#include <net/tcp.h>
#include <net/xdp.h>
#include "../kernel_net/helpers.h"
