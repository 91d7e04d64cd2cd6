// SPDX-License-Identifier: GPL-2.0
/*
 * The XDP program of one interface: asks ip_vs_flow what becomes of a frame, and does it.
 *
 * Whatever there is to know about flows is known by the module; here is only what a function of a module may not do,
 * and that is to send. Counting is the module's, too.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* In modules/ip_vs_flow/kfunc.c: the interface that the translated frame leaves by, 0 to pass it on, less to drop it. */
extern int ip_vs_flow_xdp(struct xdp_md *ctx) __ksym;

/* The interfaces of the namespace as they were when the program was attached; the keys are their numbers. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} interfaces SEC(".maps");

SEC("xdp.frags")
int ip_vs_flow_fast(struct xdp_md *ctx)
{
	int to = ip_vs_flow_xdp(ctx);

	if (to == 0)
		return XDP_PASS;
	if (to < 0)
		return XDP_DROP;
	if (bpf_redirect_map(&interfaces, to, XDP_ABORTED) == XDP_REDIRECT)
		return XDP_REDIRECT;
	/*
	 * The frame is translated, so it must leave; the interface is one that came later. Nor is there XDP_TX for one
	 * that leaves where it came in: to a peer without a program of its own, veth delivers such frames late.
	 */
	return bpf_redirect(to, 0);
}

char program_license[] SEC("license") = "GPL";
