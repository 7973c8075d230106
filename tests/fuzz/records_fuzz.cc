// Fuzzes the way from a client's bytes to the records on the rings: a gateway core, logged in, fed
// any stream; the test is the worker and answers.
//
//   input = byte 0: edition, whether the login is answered | byte 1: a segment's size | the stream
//
// Every record must hold its strings within its size, names that the protocol allows, and limits
// that it keeps; whatever the client sends, the gateway must end the connection or go on, and once
// the client is gone no slot may be in use.
#include <cstddef>
#include <cstdint>
#include <string>

#include "shared/assert.h"
#include "shared/names.h"
#include "shared/ops.h"
#include "tests/gateway/gateway_fixture.h"

namespace {

using ims::RecordKind;
using ims::test::GatewayFixture;
using ims::test::Taken;

bool wants_answer(const Taken& taken) {
  return (taken.request.header.flags & ims::kFlagNoAnswer) == 0;
}

void check_request(const Taken& taken) {
  IMS_ASSERT(taken.from == "fuzz");
  IMS_ASSERT(ims::valid_name(taken.target));
  IMS_ASSERT(taken.client_id.size() <= ims::kClientIdBytesMax);
  if (taken.kind == RecordKind::kMessage) IMS_ASSERT(taken.request.type < ims::kMessageTypeCount);
  if (taken.kind == RecordKind::kGroup) IMS_ASSERT(ims::valid_group_op(taken.request.type));
  if (taken.kind == RecordKind::kSync) {
    IMS_ASSERT(taken.request.seq == 0 || taken.request.before_seq == 0);
  }
  if (taken.kind != RecordKind::kSync) IMS_ASSERT(taken.request.before_seq == 0);
  // An ACK without an id, and nothing else, is never answered.
  IMS_ASSERT(wants_answer(taken) ==
             (taken.kind != RecordKind::kAck || taken.request.request_id != 0));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const bool logged_in = (data[0] & 1) != 0;
  const std::size_t segment = 1 + data[1];
  const std::string stream(reinterpret_cast<const char*>(data + 2), size - 2);

  GatewayFixture world;
  const GatewayFixture::Client client = world.io.connect();
  if (logged_in) {
    world.io.write(client, ims::test::v2_connect(ims::test::connect_message("fuzz"), 1,
                                       (data[0] & 2) != 0 ? 1 : 2));
    world.turns(3);
    const auto login = world.next_record();
    IMS_ASSERT(login && login->kind == RecordKind::kLogin);
    IMS_ASSERT(world.answer_login(*login, ims::Code::kOk, 1, "fuzz"));
    world.turns(2);
  }
  for (std::size_t at = 0; at < stream.size(); at += segment) {
    world.io.write(client, stream.substr(at, segment));
    world.turn();
    for (const Taken& taken : world.all_records()) {
      switch (taken.kind) {
        case RecordKind::kLogin: IMS_ASSERT(!logged_in); break;
        case RecordKind::kMessage:
        case RecordKind::kAck:
        case RecordKind::kSync:
        case RecordKind::kGroup:
          check_request(taken);
          if (wants_answer(taken)) world.respond(taken, ims::Code::kOk, 1);
          break;
        default: break;
      }
    }
  }
  world.io.reset(client);
  for (int i = 0; i < 60 && world.gateway->connection_count() > 0; ++i) {
    world.advance(500);
    world.turns(2);
    world.all_records();
  }
  IMS_ASSERT(world.gateway->connection_count() == 0);
  return 0;
}
