// SPDX-License-Identifier: GPL-2.0
/*
 * Shows the frames that an XDP program takes away from tcpdump, each as it came and as it left.
 *
 * Both programs are attached to the XDP program itself, as long as somebody looks. A translation changes headers and
 * nothing behind them, so of a frame as it came the headers are kept, and the rest is read from what left.
 */
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Bytes of a frame that a translation may change: Ethernet, a VLAN tag, IP and TCP with all their options. */
#define HEADERS 192
/* Bytes of a frame that are shown: more than any MTU of Ethernet. */
#define MOST 16384

/* What of the kernel's structures is read here; the loader looks up where it is. */
struct xdp_buff {
	void *data;
	void *data_end;
} __attribute__((preserve_access_index));

/* Where the interface's frames are shown: this, and the frame as it left behind it. See record.rs. */
struct frame {
	__u64 time;
	__s32 verdict;
	__u32 len;
	__u32 headers_len;
	__u8 headers[HEADERS];
};

/* What the reader wants to see. Addresses are those of IPv6, or mapped. See filter.rs. */
struct filter {
	__u8 family;
	__u8 protocol;
	__u8 by_host;
	__u8 by_port;
	__be16 port;
	__u16 unused;
	__u8 host[16];
};

const volatile struct filter filter;

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} frames SEC(".maps");

/* The frame that the XDP program has in hand, on this CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frame);
} current SEC(".maps");

struct vlan_tag {
	__be16 tci;
	__be16 kind;
};

static bool same(const __u8 *a, const volatile __u8 *b)
{
	for (int i = 0; i < 16; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* Whether a frame that begins with these bytes is one that the reader wants to see. */
static __noinline bool matches(struct frame *frame)
{
	__u8 source[16] = { [10] = 0xff, 0xff }, destination[16] = { [10] = 0xff, 0xff };
	__u8 *bytes = frame->headers;
	__u32 at = sizeof(struct ethhdr);
	__be16 kind = ((struct ethhdr *)bytes)->h_proto;
	__u8 protocol;

	if (kind == bpf_htons(ETH_P_8021Q) || kind == bpf_htons(ETH_P_8021AD)) {
		kind = ((struct vlan_tag *)(bytes + at))->kind;
		at += sizeof(struct vlan_tag);
	}
	if (kind == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(bytes + at);

		if (filter.family == 6)
			return false;
		__builtin_memcpy(source + 12, &ip->saddr, 4);
		__builtin_memcpy(destination + 12, &ip->daddr, 4);
		protocol = ip->protocol;
		at += ip->ihl * 4;
	} else if (kind == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(bytes + at);

		if (filter.family == 4)
			return false;
		__builtin_memcpy(source, &ip->saddr, 16);
		__builtin_memcpy(destination, &ip->daddr, 16);
		protocol = ip->nexthdr;
		at += sizeof(*ip);
	} else {
		return !filter.family && !filter.protocol && !filter.by_host && !filter.by_port;
	}
	if (filter.protocol && filter.protocol != protocol)
		return false;
	if (filter.by_host && !same(source, filter.host) && !same(destination, filter.host))
		return false;
	if (filter.by_port) {
		__be16 *ports;

		if (at > HEADERS - 4)
			return false;
		ports = (void *)(bytes + at);
		return ports[0] == filter.port || ports[1] == filter.port;
	}
	return true;
}

/* Reads the start of the frame. */
static __always_inline void read(struct frame *frame, struct xdp_buff *xdp)
{
	void *data = xdp->data;
	__u64 len = xdp->data_end - data;

	if (len > HEADERS)
		len = HEADERS;
	__builtin_memset(frame->headers, 0, HEADERS);
	frame->headers_len = 0;
	if (!bpf_probe_read_kernel(frame->headers, len, data))
		frame->headers_len = len;
}

SEC("fentry")
int BPF_PROG(before, struct xdp_buff *xdp)
{
	__u32 key = 0;
	struct frame *frame = bpf_map_lookup_elem(&current, &key);

	if (frame)
		read(frame, xdp);
	return 0;
}

/* The frame as it left, for the filter only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frame);
} left SEC(".maps");

SEC("fexit")
int BPF_PROG(after, struct xdp_buff *xdp, int verdict)
{
	__u32 key = 0;
	struct frame *came = bpf_map_lookup_elem(&current, &key), *went = bpf_map_lookup_elem(&left, &key);
	__u64 len;

	/* What is passed on is for tcpdump to see. */
	if (!came || !went || verdict == XDP_PASS || verdict == XDP_ABORTED)
		return 0;
	read(went, xdp);
	if (!matches(came) && !matches(went))
		return 0;
	came->time = bpf_ktime_get_ns();
	came->verdict = verdict;
	came->len = bpf_xdp_get_buff_len((struct xdp_md *)xdp);
	len = came->len < MOST ? came->len : MOST;
	bpf_xdp_output(xdp, &frames, BPF_F_CURRENT_CPU | len << 32, came, sizeof(*came));
	return 0;
}

char program_license[] SEC("license") = "GPL";
