// SPDX-License-Identifier: GPL-2.0
/*
 * The function that the XDP program of userspace/xdp-loader calls, and what tells BPF about it. What it does is in
 * xdp.rs.
 */
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>
#include <net/xdp.h>

int ip_vs_flow_frame(struct xdp_buff *xdp);
int ip_vs_flow_register_kfunc(void);

__bpf_kfunc_start_defs();

/*
 * Translates a frame: the number of the interface to send it by, 0 to pass it to the stack, less than that to drop it.
 * Where the frame begins and ends stays as it is, which the verifier takes for granted.
 */
__bpf_kfunc int ip_vs_flow_xdp(struct xdp_md *ctx)
{
	/* What a program knows as the one, is the other. */
	return ip_vs_flow_frame((struct xdp_buff *)ctx);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(ip_vs_flow_kfuncs)
BTF_ID_FLAGS(func, ip_vs_flow_xdp)
BTF_KFUNCS_END(ip_vs_flow_kfuncs)

static const struct btf_kfunc_id_set ip_vs_flow_kfunc_set = {
	.owner = THIS_MODULE,
	.set = &ip_vs_flow_kfuncs,
};

/* There is no unregistering: programs that call it keep the module, and the set goes with the module's BTF. */
int ip_vs_flow_register_kfunc(void)
{
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_XDP, &ip_vs_flow_kfunc_set);
}
