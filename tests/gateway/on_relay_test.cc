// Relayed messages in place: a kRelay record names the sender's request, which is still in its
// ring; the gateway makes the push and the answer of it.
#include <doctest/doctest.h>

#include "tests/gateway/gateway_fixture.h"

using namespace ims;
using namespace ims::test;

namespace {

constexpr std::int64_t kTimeMs = 1'700'000'000'123;

// A request that a worker has seen and not given back.
struct SeenRequest {
  std::size_t worker = 0;
  std::uint32_t offset = 0;
};

// `from` sends `payload` to `to`; the record stays in its ring.
SeenRequest send(GatewayFixture& world, const GatewayFixture::Session& from, const std::string& to,
              const std::string& payload, std::uint64_t id) {
  Message message;
  message.set_to(to);
  message.set_payload(payload);
  world.io.write(from.client, v2_message(id, message));
  world.turns(2);
  const std::size_t worker = world.owner(NameKind::kUser, to);
  ByteRing& ring = world.request_ring(worker);
  const ByteView record = ring.front();
  REQUIRE(kind_of(record) == RecordKind::kMessage);
  ring.pop(record);
  return {worker, ring.offset(record.data())};
}

void relay(GatewayFixture& world, const SeenRequest& request, ConnectionId target,
           std::uint8_t flags) {
  RelayRecord record;
  record.header.kind = RecordKind::kRelay;
  record.header.flags = flags;
  record.target = target;
  record.time_ms = kTimeMs;
  record.offset = request.offset;
  ByteRing& ring = world.delivery_ring(request.worker);
  RecordWriter writer(ring, sizeof record);
  REQUIRE(writer.ok());
  writer.header(record);
  writer.commit();
  ring.publish();
  world.turns(2);
}

Message message_of(const v2::Command& push) {
  Message message;
  REQUIRE(push.has_request());
  CHECK(push.id() == 0);
  CHECK(push.request().type() == Request::MESSAGE);
  REQUIRE(message.ParseFromString(push.request().payload()));
  return message;
}

}  // namespace

TEST_CASE("a relay pushes the request's bytes with its sender, and answers it") {
  GatewayFixture world;
  const auto alice = world.log_in("alice", "phone");
  const auto bob = world.log_in("bob");
  const SeenRequest request = send(world, alice, "bob", "hello", 7);
  const std::uint64_t copied = world.count(Counter::kPayloadBytesCopied);
  relay(world, request, bob.connection, kFlagAnswer);

  const auto pushed = world.frames(bob.client);
  REQUIRE(pushed.size() == 1);
  const Message message = message_of(pushed[0]);
  CHECK(message.payload() == "hello");
  CHECK(message.from() == "alice");
  CHECK(message.device() == "phone");
  CHECK(message.to() == "bob");
  CHECK(message.seq() == 0);
  CHECK(message.time_ms() == kTimeMs);
  const auto answers = world.frames(alice.client);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].id() == 7);
  REQUIRE(answers[0].has_response());
  CHECK(answers[0].response().code() == static_cast<int>(Code::kOk));
  CHECK(answers[0].response().seq() == 0);
  CHECK(answers[0].response().time_ms() == kTimeMs);
  CHECK(world.count(Counter::kRelayedDelivered) == 1);
  // One copy into the queue: the push's body.
  CHECK(world.count(Counter::kPayloadBytesCopied) - copied ==
        pushed[0].request().ByteSizeLong());
}

TEST_CASE("a relay without kFlagAnswer leaves the answer to another record") {
  GatewayFixture world;
  const auto alice = world.log_in("alice");
  const auto bob = world.log_in("bob");
  const SeenRequest request = send(world, alice, "bob", "hello", 7);
  relay(world, request, bob.connection, 0);
  CHECK(world.frames(bob.client).size() == 1);
  CHECK(world.frames(alice.client).empty());
  relay(world, request, bob.connection, kFlagAnswer);  // its last target
  CHECK(world.frames(bob.client).size() == 1);
  CHECK(world.frames(alice.client).size() == 1);
}

TEST_CASE("a relay to a tenancy that is over answers all the same") {
  GatewayFixture world;
  const auto alice = world.log_in("alice");
  const auto bob = world.log_in("bob");
  const SeenRequest request = send(world, alice, "bob", "hello", 7);
  world.io.half_close(bob.client);
  world.turns(5);
  relay(world, request, bob.connection, kFlagAnswer);
  CHECK(world.count(Counter::kRelayedDropped) == 1);
  CHECK(world.frames(alice.client).size() == 1);
}

TEST_CASE("a relay whose sender is gone is delivered") {
  GatewayFixture world;
  const auto alice = world.log_in("alice");
  const auto bob = world.log_in("bob");
  const SeenRequest request = send(world, alice, "bob", "hello", 7);
  world.io.reset(alice.client);
  world.turns(5);
  relay(world, request, bob.connection, kFlagAnswer);
  CHECK(world.frames(bob.client).size() == 1);
  CHECK(world.count(Counter::kRecordsStale) == 1);
}

TEST_CASE("relays above half of send_queue_bytes are dropped, and answered") {
  GatewayFixture world;
  const auto alice = world.log_in("alice");
  const auto bob = world.log_in("bob");
  world.io.set_window(bob.client, 0);
  const std::string payload(30'000, 'x');
  std::uint64_t id = 0;
  while (world.count(Counter::kRelayedDropped) == 0 && id < 20) {
    const SeenRequest request = send(world, alice, "bob", payload, ++id);
    relay(world, request, bob.connection, kFlagAnswer);
    world.request_ring(request.worker).release();
    CHECK(world.frames(alice.client).size() == 1);
  }
  const std::uint64_t half = world.config.send_queue_bytes / 2;
  CHECK(world.count(Counter::kRelayedDelivered) == half / (payload.size() + 50));
  CHECK(id == world.count(Counter::kRelayedDelivered) + 1);
}

TEST_CASE("a gateway that leaves is not waited for") {
  GatewayFixture world;
  ByteRing& ring = world.delivery_ring(0);
  RelayRecord record;
  record.header.kind = RecordKind::kRelay;
  RecordWriter writer(ring, sizeof record);
  REQUIRE(writer.ok());
  writer.header(record);
  writer.commit();
  ring.publish();
  CHECK_FALSE(ring.consumed(ring.written()));
  world.gateway->leave();
  CHECK(ring.consumed(ring.written()));
}
