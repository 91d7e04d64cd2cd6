// SPDX-License-Identifier: GPL-2.0
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/etherdevice.h>
#include <linux/fprobe.h>
#include <linux/icmpv6.h>
#include <linux/jiffies.h>
#include <linux/if_vlan.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/refcount.h>
#include <linux/seq_file_net.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/timer.h>
#include <net/dst.h>
#include <net/genetlink.h>
#include <net/icmp.h>
#include <net/ip6_route.h>
#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/ipv6.h>
#include <net/neighbour.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/sock.h>
#include <net/xdp.h>
#include <net/tcp.h>
#include "helpers.h"

bool kn_cpu_online(unsigned int cpu) { return cpu_online(cpu); }
bool kn_is_err(const void *ptr) { return IS_ERR(ptr); }
struct kn_arguments kn_ftrace_arguments(struct ftrace_regs *fregs) { return (struct kn_arguments){ { ftrace_regs_get_argument(fregs, 0), ftrace_regs_get_argument(fregs, 1), ftrace_regs_get_argument(fregs, 2), ftrace_regs_get_argument(fregs, 3), ftrace_regs_get_argument(fregs, 4), ftrace_regs_get_argument(fregs, 5) } }; }
unsigned long kn_ftrace_stack_argument(struct ftrace_regs *fregs, unsigned int n) { return ftrace_regs_get_kernel_stack_nth(fregs, n + 1); }
unsigned long kn_ftrace_return_value(struct ftrace_regs *fregs) { return ftrace_regs_get_return_value(fregs); }
unsigned long kn_totalram_pages(void) { return totalram_pages(); }
int kn_local_out(u8 pf, struct net *net, struct sk_buff *skb) { return NF_HOOK(pf, NF_INET_LOCAL_OUT, net, NULL, skb, NULL, skb_dst(skb)->dev, dst_output); }
void __percpu *kn_alloc_percpu(size_t size, size_t align) { return __alloc_percpu(size, align); }
void *kn_per_cpu_ptr(void __percpu *ptr, unsigned int cpu) { return per_cpu_ptr(ptr, cpu); }
void kn_this_cpu_inc(u64 __percpu *counter) { this_cpu_inc(*counter); }
u64 kn_percpu_sum(u64 __percpu *counter) { u64 sum = 0; int cpu; for_each_possible_cpu(cpu) sum += *per_cpu_ptr(counter, cpu); return sum; }
struct proc_dir_entry *kn_proc_create_net_single(struct net *net, const char *name, int (*show)(struct seq_file *, void *)) { return proc_create_net_single(name, 0444, net->proc_net, show, NULL); }
struct proc_dir_entry *kn_proc_create_net(struct net *net, const char *name, const struct seq_operations *operations) { return proc_create_net_data(name, 0444, net->proc_net, operations, sizeof(struct seq_net_private), NULL); }
bool kn_refcount_inc_not_zero(refcount_t *r) { return refcount_inc_not_zero(r); }
struct net *kn_seq_file_net(struct seq_file *file) { return seq_file_net(file); }
struct net *kn_seq_file_single_net(struct seq_file *file) { return seq_file_single_net(file); }
bool kn_pskb_may_pull(struct sk_buff *skb, unsigned int len) { return pskb_may_pull(skb, len); }
int kn_skb_cow_head(struct sk_buff *skb, unsigned int headroom) { return skb_cow_head(skb, headroom); }
void kn_skb_start_network(struct sk_buff *skb, bool v6) { skb_reset_network_header(skb); skb->protocol = htons(v6 ? ETH_P_IPV6 : ETH_P_IP); }
void kn_skb_request_checksum(struct sk_buff *skb, unsigned int start, unsigned int field) { skb_partial_csum_set(skb, start, field); }
bool kn_skb_was_fragmented(const struct sk_buff *skb, bool v6) { return (v6 ? IP6CB(skb)->frag_max_size : IPCB(skb)->frag_max_size) != 0; }
void kn_skb_leave_by(struct sk_buff *skb, struct dst_entry *dst, bool counted) { nf_reset_ct(skb); nf_ct_set(skb, NULL, IP_CT_UNTRACKED); skb_dst_drop(skb); if (counted) skb_dst_set(skb, dst); else skb_dst_set_noref(skb, dst); skb_forward_csum(skb); if (skb->dev) { skb_orphan(skb); skb_clear_tstamp(skb); } }
void kn_skb_clear_hash(struct sk_buff *skb) { skb_clear_hash(skb); }
unsigned int kn_skb_push_network(struct sk_buff *skb) { unsigned int len = skb_network_header_len(skb); __skb_push(skb, len); return len; }
void kn_skb_pull_network(struct sk_buff *skb, unsigned int len) { __skb_pull(skb, len); }
void kn_skb_pull_transport(struct sk_buff *skb, unsigned int len) { skb_pull_rcsum(skb, len); skb_reset_transport_header(skb); }
void kn_skb_skip_extension(struct sk_buff *skb, unsigned int len, unsigned int next) { skb->transport_header += len; IP6CB(skb)->nhoff = next; }
void kn_kfree_skb(struct sk_buff *skb) { kfree_skb(skb); }
struct net *kn_skb_net(const struct sk_buff *skb) { return dev_net(skb->dev); }
bool kn_skb_is_sent_from_bound(struct sk_buff *skb) { const struct sock *sk = skb_to_full_sk(skb); return sk && (sk->sk_userlocks & SOCK_BINDADDR_LOCK); }
void kn_skb_set_ignore_df(struct sk_buff *skb) { skb->ignore_df = 1; }
void kn_spin_lock_init(spinlock_t *lock) { spin_lock_init(lock); }
void kn_spin_lock_bh(spinlock_t *lock) { spin_lock_bh(lock); }
void kn_spin_unlock_bh(spinlock_t *lock) { spin_unlock_bh(lock); }
void kn_expire_timer_now(struct timer_list *timer) { mod_timer_pending(timer, jiffies); }
struct kmem_cache *kn_kmem_cache_create(const char *name, unsigned int size, unsigned int align) { return kmem_cache_create(name, size, align, SLAB_NO_MERGE, NULL); }
void *kn_kmem_cache_alloc_nowait(struct kmem_cache *cache) { return kmem_cache_alloc(cache, GFP_NOWAIT); }
const u8 *kn_network_header(const struct sk_buff *skb) { return skb_network_header(skb); }
const u8 *kn_tcp_header(const struct sk_buff *skb) { return (const u8 *)tcp_hdr(skb); }
struct sk_buff *kn_alloc_for_route(struct dst_entry *dst, unsigned int len) { struct sk_buff *skb = alloc_skb(LL_MAX_HEADER + len, GFP_ATOMIC); if (skb) skb_reserve(skb, LL_MAX_HEADER); return skb; }
void kn_dst_hold(struct dst_entry *dst) { dst_hold(dst); }
struct net *kn_dst_net(const struct dst_entry *dst) { return dst_dev_net_rcu(dst); }
int kn_dev_index(const struct net_device *dev) { return dev->ifindex; }
bool kn_dev_has_xdp(const struct net_device *dev) { return dev->netdev_ops->ndo_bpf && (dev->xdp_features & NETDEV_XDP_ACT_REDIRECT); }
bool kn_dev_is_loopback(const struct net_device *dev) { return dev->flags & IFF_LOOPBACK; }
bool kn_dev_is_leaving(const struct net_device *dev) { return dev->reg_state != NETREG_REGISTERED || dev->moving_ns; }
struct net *kn_dev_net(const struct net_device *dev) { return dev_net(dev); }
const char *kn_dev_name(const struct net_device *dev) { return dev->name; }
struct net_device *kn_dev_next(struct net *net, struct net_device *dev) { return dev ? next_net_device(dev) : first_net_device(net); }
struct net_device *kn_notifier_dev(const void *info) { return netdev_notifier_info_to_dev(info); }
int kn_pskb_trim_rcsum(struct sk_buff *skb, unsigned int len) { return pskb_trim_rcsum(skb, len); }
u32 kn_dst_cookie(const struct dst_entry *dst, bool v6) { return v6 ? rt6_get_cookie(dst_rt6_info(dst)) : 0; }
u32 kn_dst_mtu(const struct dst_entry *dst) { return dst_mtu(dst); }
struct dst_entry *kn_dst_check(struct dst_entry *dst, u32 cookie) { return dst ? dst_check(dst, cookie) : NULL; }
bool kn_dst_is_plain(const struct dst_entry *dst, bool v6) { const struct net_device *dev = dst_dev_rcu(dst); return dst->output == (v6 ? ip6_output : ip_output) && (v6 ? !(dst_rt6_info(dst)->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST | RTF_REJECT)) : dst_rtable(dst)->rt_type == RTN_UNICAST) && !dst->lwtstate && !dst_xfrm(dst) && dev->header_ops && !(dev->flags & IFF_LOOPBACK) && !netif_is_l3_master(dev) && !netif_is_l3_slave(dev); }
bool kn_dst_has_gateway(const struct dst_entry *dst, bool v6) { return v6 ? dst_rt6_info(dst)->rt6i_flags & RTF_GATEWAY : dst_rtable(dst)->rt_gw_family; }
struct neighbour *kn_dst_neigh_lookup(const struct dst_entry *dst, const void *daddr) { return dst_neigh_lookup(dst, daddr); }
void kn_dst_release(struct dst_entry *dst) { dst_release(dst); }
void kn_genlmsg_cancel(struct sk_buff *skb, void *header) { genlmsg_cancel(skb, header); }
void kn_genlmsg_end(struct sk_buff *skb, void *header) { genlmsg_end(skb, header); }
void kn_icmpv6_send(struct sk_buff *skb, u8 type, u8 code, __u32 info) { icmpv6_send(skb, type, code, info); }
void kn_icmp_send(struct sk_buff *skb, int type, int code, __be32 info) { icmp_send(skb, type, code, info); }
static __always_inline void count(struct ip_vs_cpu_stats __percpu *stats, bool out, u64 bytes) { struct ip_vs_counters __percpu *cnt = &stats->cnt; this_cpu_inc(*(u64 __percpu *)(out ? &cnt->outpkts : &cnt->inpkts)); this_cpu_add(*(u64 __percpu *)(out ? &cnt->outbytes : &cnt->inbytes), bytes); }
static __always_inline void count_all(const struct ip_vs_conn *cp, const struct ip_vs_dest *dest, bool out, u64 bytes) { const struct ip_vs_service *svc = rcu_dereference_check(dest->svc, rcu_read_lock_bh_held()); count(dest->stats.cpustats, out, bytes); if (svc) count(svc->stats.cpustats, out, bytes); count(cp->ipvs->tot_stats->s.cpustats, out, bytes); }
void kn_ip_vs_count(const struct ip_vs_conn *cp, const struct ip_vs_dest *dest, bool out, u64 bytes) { count_all(cp, dest, out, bytes); }
void kn_ip_vs_count_passed(const struct ip_vs_conn *cp, const struct ip_vs_dest *dest, bool out, u64 bytes, u64 __percpu *passed) { this_cpu_inc(*passed); count_all(cp, dest, out, bytes); }
bool kn_ip_vs_fill_iph_skb(int af, const struct sk_buff *skb, struct ip_vs_iphdr *iph) { return ip_vs_fill_iph_skb(af, skb, false, iph); }
struct netns_ipvs *kn_net_ipvs(struct net *net) { return net_ipvs(net); }
bool kn_ip_vs_has_conn_tab(struct netns_ipvs *ipvs) { return rcu_access_pointer(ipvs->conn_tab); }
void kn_ip_vs_lock_services(struct netns_ipvs *ipvs) { mutex_lock(&ipvs->service_mutex); down_read(&ipvs->svc_resize_sem); }
void kn_ip_vs_unlock_services(struct netns_ipvs *ipvs) { up_read(&ipvs->svc_resize_sem); mutex_unlock(&ipvs->service_mutex); }
/* What ipv4_dst_check() says, without the calls. */
static bool rt_is_current(const struct dst_entry *dst) { return READ_ONCE(dst->obsolete) == DST_OBSOLETE_FORCE_CHK && dst_rtable(dst)->rt_genid == rt_genid_ipv4(dev_net(dst_dev(dst))); }
/* Out of line, and called last: what does not call it needs no stack. */
static noinline bool rt6_is_current(const struct kn_hop *hop) { return dst_check(hop->dst, hop->cookie) != NULL; }
static __always_inline bool neigh_can_send(const struct neighbour *neigh) { return !READ_ONCE(neigh->dead) && READ_ONCE(neigh->nud_state) & NUD_VALID; }
bool kn_hop_can_send(const struct kn_hop *hop) { return neigh_can_send(hop->neigh) && (hop->v6 ? rt6_is_current(hop) : rt_is_current(hop->dst)); }
bool kn_neigh_is_crowded(const struct neighbour *neigh) { return atomic_read(&neigh->tbl->gc_entries) >= READ_ONCE(neigh->tbl->gc_thresh2); }
bool kn_neigh_is_dead(const struct neighbour *neigh) { return READ_ONCE(neigh->dead); }
bool kn_neigh_is_v6(const struct neighbour *neigh) { return neigh->tbl->family == AF_INET6; }
void kn_neigh_send(struct neighbour *neigh, struct sk_buff *skb, bool foreign) { nf_reset_ct(skb); skb_dst_drop(skb); skb_orphan(skb); skb_forward_csum(skb); skb_clear_tstamp(skb); skb->dev = neigh->dev; neigh_output(neigh, skb, foreign); }
unsigned int kn_neigh_headroom(const struct neighbour *neigh) { return LL_RESERVED_SPACE(neigh->dev); }
void kn_neigh_release(struct neighbour *neigh) { neigh_release(neigh); }
struct net_device *kn_neigh_dev(const struct neighbour *neigh) { return neigh->dev; }
void *kn_net_generic(const struct net *net, unsigned int id) { return net_generic(net, id); }
void *kn_net_generic_rcu(const struct net *net, unsigned int id) { return rcu_dereference_check(net->gen, rcu_read_lock_bh_held())->ptr[id]; }
struct nlattr *kn_nla_nest_start(struct sk_buff *skb, int type) { return nla_nest_start(skb, type); }
void kn_nla_nest_end(struct sk_buff *skb, struct nlattr *start) { nla_nest_end(skb, start); }
int kn_route_input(struct sk_buff *skb) { return ip_route_input_noref(skb, ip_hdr(skb)->daddr, ip_hdr(skb)->saddr, ip4h_dscp(ip_hdr(skb)), skb->dev); }
struct dst_entry *kn_route_output(struct net *net, u8 dsfield, __be32 daddr, __be32 saddr) { struct flowi4 fl4 = { .daddr = daddr, .saddr = saddr, .flowi4_dscp = inet_dsfield_to_dscp(dsfield) }; return &ip_route_output_key(net, &fl4)->dst; }
struct dst_entry *kn_route_output6(struct net *net, u8 dsfield, const struct in6_addr *daddr, const struct in6_addr *saddr) { struct flowi6 fl6 = { .daddr = *daddr, .saddr = *saddr, .flowlabel = ip6_make_flowinfo(dsfield, 0) }; return ip6_route_output(net, NULL, &fl6); }
int kn_dst_error(const struct dst_entry *dst) { return dst->error; }
static bool put(struct sock *sk) { if (sk) sock_gen_put(sk); return sk; }
bool kn_tcp_has_socket4(struct net *net, struct sk_buff *skb, int doff, __be32 saddr, __be16 sport, __be32 daddr, __be16 dport) { return put(inet_lookup(net, skb, doff, saddr, sport, daddr, dport, inet_iif(skb))); }
bool kn_tcp_has_socket6(struct net *net, struct sk_buff *skb, int doff, const struct in6_addr *saddr, __be16 sport, const struct in6_addr *daddr, __be16 dport) { return put(inet6_lookup(net, skb, doff, saddr, sport, daddr, dport, inet6_iif(skb))); }
bool kn_skb_has_route(const struct sk_buff *skb) { return skb_dst(skb); }
u64 kn_sock_cookie(const struct sock *sk) { return atomic64_read(&sk->sk_cookie); }
__be32 kn_sock_daddr(const struct sock *sk) { return sk->sk_daddr; }
__be16 kn_sock_dport(const struct sock *sk) { return sk->sk_dport; }
u16 kn_sock_family(const struct sock *sk) { return sk->sk_family; }
u16 kn_sock_num(const struct sock *sk) { return inet_sk(sk)->inet_num; }
__be32 kn_sock_rcv_saddr(const struct sock *sk) { return sk->sk_rcv_saddr; }
const struct in6_addr *kn_sock_v6_rcv_saddr(const struct sock *sk) { return &sk->sk_v6_rcv_saddr; }
struct net *kn_sock_live_net(const struct sock *sk) { return check_net(sock_net(sk)) ? sock_net(sk) : NULL; }
struct net *kn_sock_net(const struct sock *sk) { return sock_net(sk); }
const struct in6_addr *kn_sock_v6_daddr(const struct sock *sk) { return &sk->sk_v6_daddr; }
struct sock *kn_socket_sk(const struct socket *sock) { return READ_ONCE(sock->sk); }
u32 kn_tcp_copied_seq(const struct sock *sk) { return tcp_sk(sk)->copied_seq; }
u64 kn_tcp_passive_opens(const struct net *net) { u64 sum = 0; int cpu; for_each_possible_cpu(cpu) sum += per_cpu_ptr(net->mib.tcp_statistics, cpu)->mibs[TCP_MIB_PASSIVEOPENS]; return sum; }
static int vlan_id(const struct net_device *dev) { return is_vlan_dev(dev) && vlan_dev_priv(dev)->vlan_proto == htons(ETH_P_8021Q) ? vlan_dev_priv(dev)->vlan_id : -1; }
struct kn_link kn_neigh_link(const struct neighbour *n) { const struct net_device *lower = n->dev; int vlan = vlan_id(lower); if (vlan >= 0) lower = vlan_dev_priv(lower)->real_dev; return (struct kn_link){ .lower = n->dev->addr_len == ETH_ALEN ? lower : NULL, .interface = lower->ifindex, .vlan = vlan }; }
/* Both addresses of Ethernet, the neighbour's like neigh_ha_snapshot(), but for its copy of any length. */
void kn_neigh_address(const struct neighbour *n, u8 *frame) { unsigned int seq; do { seq = read_seqbegin(&n->ha_lock); ether_addr_copy(frame, n->ha); } while (read_seqretry(&n->ha_lock, seq)); ether_addr_copy(frame + ETH_ALEN, n->dev->dev_addr); }
static __always_inline bool has_address(const struct net_device *dev, const u8 *address) { return dev->addr_len == ETH_ALEN && ether_addr_equal(dev->dev_addr, address); }
static __always_inline bool takes_frames(const struct net_device *dev, u32 wants) { return dev && (dev->flags & IFF_UP) && (READ_ONCE(dev->xdp_features) & wants) == wants; }
static noinline enum kn_frame frame_by_v6(const struct kn_hop *hop) { return dst_check(hop->dst, hop->cookie) ? KN_FRAME_CAN_LEAVE : KN_FRAME_HAS_NO_HOP; }
enum kn_frame kn_frame_can_leave(const u8 *frame, const struct net_device *in, const struct kn_hop *hop, u32 wants) { return !neigh_can_send(hop->neigh) ? KN_FRAME_HAS_NO_HOP : !has_address(in, frame) ? KN_FRAME_IS_FOREIGN : !takes_frames(hop->link.lower, wants) ? KN_FRAME_HAS_NO_WAY : hop->v6 ? frame_by_v6(hop) : rt_is_current(hop->dst) ? KN_FRAME_CAN_LEAVE : KN_FRAME_HAS_NO_HOP; }
unsigned int kn_xdp_len(const struct xdp_buff *xdp) { return xdp_get_buff_len(xdp); }
void kn_timer_setup(struct timer_list *timer, void (*function)(struct timer_list *)) { timer_setup(timer, function, TIMER_DEFERRABLE); }
void kn_timer_start(struct timer_list *timer, unsigned long ticks) { if (!timer_pending(timer)) mod_timer(timer, jiffies + ticks); }
int kn_route_anew(struct net *net, struct sk_buff *skb, bool v6) { return v6 ? ip6_route_me_harder(net, skb->sk, skb) : ip_route_me_harder(net, skb->sk, skb, RTN_UNSPEC); }
