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

SEC("xdp.frags")
int ip_vs_flow_fast(struct xdp_md *ctx)
{
	int to = ip_vs_flow_xdp(ctx);

	if (to == 0)
		return XDP_PASS;
	if (to < 0)
		return XDP_DROP;
	/*
	 * By its number, as the module knows it: frames are sent in bulks by both kinds of redirect, and a devmap costs
	 * more than the kernel's own table of interfaces. Nor is there XDP_TX for a frame that leaves where it came in:
	 * to a peer without a program of its own, veth delivers such frames late.
	 */
	return bpf_redirect(to, 0);
}

char program_license[] SEC("license") = "GPL";
