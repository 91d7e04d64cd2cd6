// SPDX-License-Identifier: GPL-2.0
/*
 * What the C compiler makes of the structures that Rust code reads. bindgen asks libclang, the kernel may be built by
 * GCC: the build turns this file into assertions on the generated bindings, and fails where the two differ.
 */
#include <linux/kbuild.h>
#include "helper.h"

#define SIZE(type) DEFINE(type, sizeof(struct type))

int main(void);

int main(void)
{
	SIZE(ctl_table);
	SIZE(fprobe);
	SIZE(genl_family);
	SIZE(genl_info);
	SIZE(genl_ops);
	SIZE(ip_vs_app);
	SIZE(ip_vs_conn);
	SIZE(ip_vs_cpu_stats);
	SIZE(ip_vs_dest);
	SIZE(ip_vs_iphdr);
	SIZE(ip_vs_proto_data);
	SIZE(ip_vs_protocol);
	SIZE(ip_vs_rht);
	SIZE(ip_vs_service);
	SIZE(netlink_callback);
	SIZE(netns_ipvs);
	SIZE(nf_hook_ops);
	SIZE(nf_hook_state);
	SIZE(nf_sockopt_ops);
	SIZE(pernet_operations);
	SIZE(sk_buff);
	SIZE(skb_shared_info);
	SIZE(xdp_buff);
	SIZE(xdp_rxq_info);
	return 0;
}
