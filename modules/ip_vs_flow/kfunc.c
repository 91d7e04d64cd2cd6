// SPDX-License-Identifier: GPL-2.0
/*
 * The function that the XDP program of userspace/xdp-loader calls, and what tells BPF about it. What it does is in
 * xdp.rs.
 */
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/xdp.h>

/* The number of namespaces' data; it is set before programs can call us. */
extern unsigned int ip_vs_flow_number;

int ip_vs_flow_frame(const void *data, unsigned int interface, const struct net_device *dev, struct xdp_buff *xdp);
int ip_vs_flow_register_kfunc(void);

__bpf_kfunc_start_defs();

/*
 * Translates a frame: the number of the interface to send it by, 0 to pass it to the stack, less than that to drop it.
 * Where the frame begins and ends stays as it is, which the verifier takes for granted.
 */
__bpf_kfunc int ip_vs_flow_xdp(struct xdp_md *ctx)
{
	/* What a program knows as the one, is the other. */
	struct xdp_buff *xdp = (struct xdp_buff *)ctx;
	/* veth takes a program away while a frame may be in it, and forgets the device at once. */
	const struct net_device *dev = READ_ONCE(xdp->rxq->dev);
	const struct net_generic *gen;
	void *const *data;

	if (!dev)
		return 0;
	/* As net_generic(), but softirqs are disabled, and NAPI need not have taken RCU. */
	gen = rcu_dereference_check(dev_net(dev)->gen, rcu_read_lock_bh_held());
	data = gen->ptr[ip_vs_flow_number];
	return ip_vs_flow_frame(*data, dev->ifindex, dev, xdp);
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
