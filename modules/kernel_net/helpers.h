/* SPDX-License-Identifier: GPL-2.0 */
/* Inline functions and macros of the kernel as functions Rust can call: one call each, no logic. Sorted by header. */
#ifndef KERNEL_NET_HELPERS_H
#define KERNEL_NET_HELPERS_H

#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <net/ip_vs.h>
#include <net/ipv6.h>
#include <net/route.h>

/* linux/cpumask.h */
bool kn_cpu_online(unsigned int cpu);
/* linux/err.h */
bool kn_is_err(const void *ptr);
/* linux/ftrace_regs.h */
struct ftrace_regs;
/* With constant numbers each is a load; with a variable one it is a search. */
struct kn_arguments { unsigned long registers[6]; };
struct kn_arguments kn_ftrace_arguments(struct ftrace_regs *fregs);
unsigned long kn_ftrace_stack_argument(struct ftrace_regs *fregs, unsigned int n);
unsigned long kn_ftrace_return_value(struct ftrace_regs *fregs);
/* linux/mm.h */
unsigned long kn_totalram_pages(void);
/* linux/netdevice.h */
/* linux/if_vlan.h */
/* linux/netdevice.h */
int kn_dev_index(const struct net_device *dev);
bool kn_dev_has_xdp(const struct net_device *dev);
bool kn_dev_is_loopback(const struct net_device *dev);
bool kn_dev_is_leaving(const struct net_device *dev);
struct net *kn_dev_net(const struct net_device *dev);
const char *kn_dev_name(const struct net_device *dev);
struct net_device *kn_dev_next(struct net *net, struct net_device *dev);
struct net_device *kn_notifier_dev(const void *info);
/* linux/netfilter.h */
int kn_local_out(u8 pf, struct net *net, struct sk_buff *skb);
/* linux/percpu.h */
void __percpu *kn_alloc_percpu(size_t size, size_t align);
void *kn_per_cpu_ptr(void __percpu *ptr, unsigned int cpu);
void kn_this_cpu_inc(u64 __percpu *counter);
u64 kn_percpu_sum(u64 __percpu *counter);
/* linux/proc_fs.h */
struct proc_dir_entry *kn_proc_create_net_single(struct net *net, const char *name, int (*show)(struct seq_file *, void *));
struct proc_dir_entry *kn_proc_create_net(struct net *net, const char *name, const struct seq_operations *operations);
/* linux/refcount.h */
bool kn_refcount_inc_not_zero(refcount_t *r);
/* linux/seq_file_net.h */
struct net *kn_seq_file_net(struct seq_file *file);
struct net *kn_seq_file_single_net(struct seq_file *file);
/* linux/skbuff.h */
const u8 *kn_network_header(const struct sk_buff *skb);
unsigned int kn_skb_push_network(struct sk_buff *skb);
void kn_skb_pull_network(struct sk_buff *skb, unsigned int len);
void kn_skb_pull_transport(struct sk_buff *skb, unsigned int len);
void kn_skb_skip_extension(struct sk_buff *skb, unsigned int len, unsigned int next);
void kn_kfree_skb(struct sk_buff *skb);
struct net *kn_skb_net(const struct sk_buff *skb);
bool kn_skb_is_sent_from_bound(struct sk_buff *skb);
int kn_pskb_trim_rcsum(struct sk_buff *skb, unsigned int len);
bool kn_pskb_may_pull(struct sk_buff *skb, unsigned int len);
int kn_skb_cow_head(struct sk_buff *skb, unsigned int headroom);
void kn_skb_start_network(struct sk_buff *skb, bool v6);
void kn_skb_request_checksum(struct sk_buff *skb, unsigned int start, unsigned int field);
bool kn_skb_was_fragmented(const struct sk_buff *skb, bool v6);
void kn_skb_clear_hash(struct sk_buff *skb);
void kn_skb_set_ignore_df(struct sk_buff *skb);
void kn_skb_leave_by(struct sk_buff *skb, struct dst_entry *dst, bool counted);
/* linux/slab.h */
struct kmem_cache *kn_kmem_cache_create(const char *name, unsigned int size, unsigned int align);
void *kn_kmem_cache_alloc_nowait(struct kmem_cache *cache);
/* linux/spinlock.h */
void kn_spin_lock_init(spinlock_t *lock);
void kn_spin_lock_bh(spinlock_t *lock);
void kn_spin_unlock_bh(spinlock_t *lock);
/* linux/timer.h */
void kn_timer_setup(struct timer_list *timer, void (*function)(struct timer_list *));
void kn_timer_start(struct timer_list *timer, unsigned long ticks);
void kn_expire_timer_now(struct timer_list *timer);
/* linux/tcp.h */
const u8 *kn_tcp_header(const struct sk_buff *skb);
/* net/dst.h */
int kn_dst_error(const struct dst_entry *dst);
struct sk_buff *kn_alloc_for_route(struct dst_entry *dst, unsigned int len);
void kn_dst_hold(struct dst_entry *dst);
struct net *kn_dst_net(const struct dst_entry *dst);
struct dst_entry *kn_dst_check(struct dst_entry *dst, u32 cookie);
bool kn_dst_is_plain(const struct dst_entry *dst, bool v6);
bool kn_dst_has_gateway(const struct dst_entry *dst, bool v6);
struct neighbour *kn_dst_neigh_lookup(const struct dst_entry *dst, const void *daddr);
u32 kn_dst_cookie(const struct dst_entry *dst, bool v6);
u32 kn_dst_mtu(const struct dst_entry *dst);
void kn_dst_release(struct dst_entry *dst);
/* net/genetlink.h */
void kn_genlmsg_cancel(struct sk_buff *skb, void *header);
void kn_genlmsg_end(struct sk_buff *skb, void *header);
/* net/icmp.h */
void kn_icmp_send(struct sk_buff *skb, int type, int code, __be32 info);
/* linux/icmpv6.h */
void kn_icmpv6_send(struct sk_buff *skb, u8 type, u8 code, __u32 info);
/* net/ip6_route.h */
struct dst_entry *kn_route_output6(struct net *net, u8 dsfield, const struct in6_addr *daddr, const struct in6_addr *saddr);
/* net/ip_vs.h */
void kn_ip_vs_count(const struct ip_vs_conn *cp, const struct ip_vs_dest *dest, bool out, u64 bytes);
void kn_ip_vs_count_passed(const struct ip_vs_conn *cp, const struct ip_vs_dest *dest, bool out, u64 bytes, u64 __percpu *passed);
bool kn_ip_vs_fill_iph_skb(int af, const struct sk_buff *skb, struct ip_vs_iphdr *iph);
struct netns_ipvs *kn_net_ipvs(struct net *net);
bool kn_ip_vs_has_conn_tab(struct netns_ipvs *ipvs);
void kn_ip_vs_lock_services(struct netns_ipvs *ipvs);
void kn_ip_vs_unlock_services(struct netns_ipvs *ipvs);
/* net/neighbour.h */
bool kn_neigh_is_crowded(const struct neighbour *neigh);
bool kn_neigh_is_dead(const struct neighbour *neigh);
bool kn_neigh_is_v6(const struct neighbour *neigh);
void kn_neigh_send(struct neighbour *neigh, struct sk_buff *skb, bool foreign);
unsigned int kn_neigh_headroom(const struct neighbour *neigh);
void kn_neigh_release(struct neighbour *neigh);
struct net_device *kn_neigh_dev(const struct neighbour *neigh);

/*
 * A neighbour's link, as XDP sends to it: by the device below, which is null where it is no Ethernet, and its number.
 * `vlan` is less than zero where there is none.
 */
struct kn_link {
	const struct net_device *lower;
	int interface, vlan;
};
struct kn_link kn_neigh_link(const struct neighbour *neigh);

/* Where packets go next: a route, with what tells whether one of IPv6 has changed, the neighbour on it, and its link. */
struct kn_hop {
	struct dst_entry *dst;
	struct neighbour *neigh;
	struct kn_link link;
	u32 cookie;
	bool v6;
};
bool kn_hop_can_send(const struct kn_hop *hop);

/* Whether a frame can be sent to a next hop, or why it cannot. */
enum kn_frame { KN_FRAME_CAN_LEAVE, KN_FRAME_HAS_NO_HOP, KN_FRAME_IS_FOREIGN, KN_FRAME_HAS_NO_WAY };
enum kn_frame kn_frame_can_leave(const u8 *frame, const struct net_device *in, const struct kn_hop *hop, u32 wants);
void kn_neigh_address(const struct neighbour *neigh, u8 *frame);
/* net/netns/generic.h */
void *kn_net_generic(const struct net *net, unsigned int id);
void *kn_net_generic_rcu(const struct net *net, unsigned int id);
/* net/netfilter/nf_conntrack.h */
/* net/netlink.h */
struct nlattr *kn_nla_nest_start(struct sk_buff *skb, int type);
void kn_nla_nest_end(struct sk_buff *skb, struct nlattr *start);
/* net/route.h */
int kn_route_anew(struct net *net, struct sk_buff *skb, bool v6);
int kn_route_input(struct sk_buff *skb);
struct dst_entry *kn_route_output(struct net *net, u8 dsfield, __be32 daddr, __be32 saddr);
bool kn_tcp_has_socket4(struct net *net, struct sk_buff *skb, int doff, __be32 saddr, __be16 sport, __be32 daddr, __be16 dport);
bool kn_tcp_has_socket6(struct net *net, struct sk_buff *skb, int doff, const struct in6_addr *saddr, __be16 sport, const struct in6_addr *daddr, __be16 dport);
bool kn_skb_has_route(const struct sk_buff *skb);
/* net/sock.h */
u64 kn_sock_cookie(const struct sock *sk);
__be32 kn_sock_daddr(const struct sock *sk);
__be16 kn_sock_dport(const struct sock *sk);
u16 kn_sock_family(const struct sock *sk);
u16 kn_sock_num(const struct sock *sk);
__be32 kn_sock_rcv_saddr(const struct sock *sk);
const struct in6_addr *kn_sock_v6_rcv_saddr(const struct sock *sk);
struct net *kn_sock_live_net(const struct sock *sk);
struct net *kn_sock_net(const struct sock *sk);
const struct in6_addr *kn_sock_v6_daddr(const struct sock *sk);
struct sock *kn_socket_sk(const struct socket *sock);
/* net/tcp.h */
u32 kn_tcp_copied_seq(const struct sock *sk);
u64 kn_tcp_passive_opens(const struct net *net);
/* net/xdp.h */
struct xdp_buff;
unsigned int kn_xdp_len(const struct xdp_buff *xdp);

#endif
