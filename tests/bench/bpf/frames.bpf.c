// SPDX-License-Identifier: GPL-2.0
/*
 * Where frames of XDP come from and where they end: a program that makes frames of flows, one that counts and drops
 * what it gets, and one that does nothing, which is what running any program costs.
 */
#include "bench.h"

#define FRAME 60

struct frame {
	__u8 bytes[64];
};

struct order {
	__u32 interface, flows, next, zero;
	__u64 dropped;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct frame);
} frames SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct order);
} orders SEC(".maps");

/* Each run is one frame of the next flow, sent by an interface. */
SEC("xdp")
int send_frame(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 key = 0;
	struct order *order = map_lookup(&orders, &key);
	struct frame *frame;

	if (!order || data + FRAME > end)
		return XDP_ABORTED;
	key = order->next;
	order->next = key + 1 < order->flows ? key + 1 : 0;
	frame = map_lookup(&frames, &key);
	if (!frame)
		return XDP_ABORTED;
	__builtin_memcpy(data, frame, FRAME);
	return redirect(order->interface, 0);
}

SEC("xdp")
int count_drop(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct order *order = map_lookup(&orders, &key);

	if (order)
		order->dropped++;
	return XDP_DROP;
}

SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char program_license[] SEC("license") = "GPL";
