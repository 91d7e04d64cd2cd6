// SPDX-License-Identifier: GPL-2.0
/*
 * What a balancer in BPF of Katran's shape does to a packet of a known connection: its service is looked up, then the
 * connection in this processor's own LRU table, then the real server; the packet is counted and leaves in an IPv4
 * header of its own, by the link that it came by. IPv4 and TCP only.
 */
#include "bench.h"

struct service {
	__be32 address;
	__be16 port;
	__u8 protocol, zero;
};

struct about {
	__u32 flags, number;
};

struct connection {
	__be32 source, destination;
	__u32 ports;
	__u32 protocol;
};

struct place {
	__u32 server;
	__u64 used;
};

struct server {
	__be32 address;
	__u32 flags;
};

struct count {
	__u64 packets, bytes;
};

struct router {
	__u8 address[ETH_ALEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__type(key, struct service);
	__type(value, struct about);
} services SEC(".maps");

struct connections {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct connection);
	__type(value, struct place);
} connections SEC(".maps");

/* One table for each processor. The benchmark's machine has one. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct connections);
} tables SEC(".maps") = {
	.values = { &connections },
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct server);
} servers SEC(".maps");

/* Of services, then of servers. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct router);
} routers SEC(".maps");

static INLINE void count(__u32 key, __u32 bytes)
{
	struct count *found = map_lookup(&counts, &key);

	if (found) {
		found->packets++;
		found->bytes += bytes;
	}
}

static INLINE int encapsulate(struct xdp_md *ctx, struct iphdr *inner, struct server *server)
{
	__u32 key = 0, length = be16(inner->tot_len) + sizeof(*inner), sum = 0;
	/* A source address that spreads over the server's queues. */
	__be32 source = be16(0xac10) | (inner->saddr & 0xffff0000);
	struct router *router = map_lookup(&routers, &key);
	__u8 tos = inner->tos;
	void *data, *end;
	struct ethhdr *link, *old;
	struct iphdr *ip;
	__u16 *word;

	if (!router || adjust_head(ctx, -(int)sizeof(*ip)))
		return XDP_DROP;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	link = data;
	ip = (void *)(link + 1);
	old = data + sizeof(*ip);
	if ((void *)(ip + 1) > end || (void *)(old + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(link->h_source, old->h_dest, ETH_ALEN);
	__builtin_memcpy(link->h_dest, router->address, ETH_ALEN);
	link->h_proto = be16(ETH_P_IP);
	*(__u8 *)ip = 0x45;
	ip->tos = tos;
	ip->tot_len = be16(length);
	ip->id = 0;
	ip->frag_off = 0;
	ip->ttl = 64;
	ip->protocol = IPPROTO_IPIP;
	ip->check = 0;
	ip->saddr = source;
	ip->daddr = server->address;
	word = (__u16 *)ip;
#pragma clang loop unroll(full)
	for (int i = 0; i < (int)sizeof(*ip) / 2; i++)
		sum += word[i];
	ip->check = ~fold(sum);
	return XDP_TX;
}

SEC("xdp")
int balance(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *link = data;
	struct iphdr *ip = (void *)(link + 1);
	struct tcphdr *tcp = (void *)(ip + 1);
	struct service service = {};
	struct connection key;
	struct about *about;
	struct place *place;
	struct server *server;
	void *table;
	__u32 number, length;

	if ((void *)(tcp + 1) > end || link->h_proto != be16(ETH_P_IP))
		return XDP_PASS;
	if (*(__u8 *)ip != 0x45 || ip->frag_off & be16(0x3fff) || ip->protocol != IPPROTO_TCP)
		return XDP_PASS;
	service.address = ip->daddr;
	service.port = tcp->dest;
	service.protocol = IPPROTO_TCP;
	about = map_lookup(&services, &service);
	if (!about || tcp->syn)
		return XDP_PASS;
	number = processor();
	table = map_lookup(&tables, &number);
	if (!table)
		return XDP_PASS;
	key = (struct connection){ ip->saddr, ip->daddr, *(__u32 *)tcp, IPPROTO_TCP };
	place = map_lookup(table, &key);
	if (!place)
		return XDP_PASS;
	number = place->server;
	server = map_lookup(&servers, &number);
	if (!server)
		return XDP_PASS;
	length = be16(ip->tot_len);
	count(about->number, length);
	count(512 + number, length);
	return encapsulate(ctx, ip, server);
}

char program_license[] SEC("license") = "GPL";
