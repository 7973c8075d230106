// Decoding, client's side, on protozero (events.h).
#include "shared/client/events.h"

#include <protozero/pbf_reader.hpp>

#include <utility>

#include "shared/client/fields.h"
#include "shared/command.h"
#include "shared/payload.h"

namespace ims::client {
namespace {

using protozero::pbf_reader;

std::string_view view_of(const protozero::data_view& view) { return {view.data(), view.size()}; }

Code code_of(std::int32_t number) {
  return number >= 0 && number < kCodeCount ? static_cast<Code>(number) : Code::kFail;
}

// Calls take(reader) for each field; take() skips what it does not know. False: malformed.
template <typename Take>
bool read_fields(std::string_view message, Take&& take) {
  try {
    pbf_reader reader(message.data(), message.size());
    while (reader.next()) take(reader);
    return true;
  } catch (const protozero::exception&) {
    return false;
  }
}

std::optional<LoginAnswer> decode_conack(std::string_view body) {
  LoginAnswer answer;
  std::int32_t status = 0;
  const bool ok = read_fields(body, [&](pbf_reader& field) {
    switch (field.tag()) {
      case 1: status = field.get_int32(); break;
      case 2: answer.reason = text_of(field.get_view()); break;
      case 3: answer.code = code_of(field.get_int32()); break;
      case 4: answer.session = field.get_uint64(); break;
      case 5: answer.server_time_ms = field.get_int64(); break;
      case 6: answer.max_frame_bytes = field.get_uint32(); break;
      case 7: answer.inbox_seq = field.get_uint64(); break;
      case 8: answer.acked_seq = field.get_uint64(); break;
      case 9: answer.retry_after_ms = field.get_uint32(); break;
      case 10: answer.epoch = text_of(field.get_view()); break;
      case 11: answer.durability = static_cast<Durability>(field.get_enum() & 3); break;
      case 12: answer.first_seq = field.get_uint64(); break;
      default: field.skip();
    }
  });
  if (!ok) return std::nullopt;
  if (status != 0 && answer.code == Code::kOk) answer.code = Code::kFail;
  return answer;
}

std::optional<Answer> decode_response(std::string_view body) {
  Answer answer;
  const bool ok = read_fields(body, [&](pbf_reader& field) {
    switch (field.tag()) {
      case 1: answer.code = code_of(field.get_int32()); break;
      case 2: answer.reason = text_of(field.get_view()); break;
      case 3: answer.seq = field.get_uint64(); break;
      case 4: answer.time_ms = field.get_int64(); break;
      case 5: answer.payload = text_of(field.get_view()); break;
      case 6: answer.duplicate = field.get_bool(); break;
      case 7: answer.retry_after_ms = field.get_uint32(); break;
      default: field.skip();
    }
  });
  if (!ok) return std::nullopt;
  return answer;
}

std::optional<Event> decode_push(std::string_view body) {
  RequestView request;
  if (decode_request(as_bytes(body), request) != DecodeStatus::kOk) return std::nullopt;
  if (request.type < 0 || request.type > static_cast<int>(RequestType::kPresence)) {
    return std::nullopt;
  }
  return Push{static_cast<RequestType>(request.type), text_of(as_text(request.payload))};
}

std::optional<Event> decode_disconnect(std::string_view body) {
  Farewell farewell;
  const bool ok = read_fields(body, [&](pbf_reader& field) {
    switch (field.tag()) {
      case 1: {
        const std::int32_t code = field.get_int32();
        if (code >= 0 && code < kDisconnectCodeCount) {
          farewell.code = static_cast<DisconnectCode>(code);
        }
        break;
      }
      case 2: farewell.reason = text_of(field.get_view()); break;
      case 3: farewell.retry_after_ms = field.get_uint32(); break;
      default: field.skip();
    }
  });
  if (!ok) return std::nullopt;
  return farewell;
}

// A login answer inside a Response: the Response's code and reason stand, the ConAck adds to them.
std::optional<Event> login_answer(Answer response) {
  auto answer = decode_conack(response.payload);
  if (!answer) return std::nullopt;
  answer->id = response.id;
  answer->code = response.code;
  if (!response.reason.empty()) answer->reason = std::move(response.reason);
  if (response.retry_after_ms != 0) answer->retry_after_ms = response.retry_after_ms;
  return *std::move(answer);
}

enum class Body : std::uint8_t { kNone, kConnect, kConAck, kDisconnect, kRequest, kResponse };

}  // namespace

std::optional<Event> decode_event(Edition edition, ByteView frame, bool login) {
  if (frame.empty()) return Heartbeat{};
  Body kind = edition == Edition::kV1 ? Body::kConnect : Body::kNone;
  std::string_view body;
  std::uint64_t id = 0;
  const bool ok = read_fields(as_text(frame), [&](pbf_reader& field) {
    const auto take = [&](Body taken) {
      kind = taken;
      body = view_of(field.get_view());
    };
    const std::uint32_t tag = field.tag();
    if (tag == 8) {
      id = field.get_uint64();
    } else if (edition == Edition::kV1 && tag == 2) {
      constexpr Body kKinds[] = {Body::kConnect, Body::kDisconnect, Body::kRequest,
                                 Body::kResponse};
      const std::int32_t command = field.get_enum();
      kind = command >= 0 && command < 4 ? kKinds[command] : Body::kNone;
    } else if (edition == Edition::kV1 && tag == 3) {
      body = view_of(field.get_view());
    } else if (edition == Edition::kV2 && tag >= 4 && tag <= 7) {
      constexpr Body kKinds[] = {Body::kConAck, Body::kDisconnect, Body::kRequest, Body::kResponse};
      take(kKinds[tag - 4]);
    } else {
      field.skip();
    }
  });
  if (!ok) return std::nullopt;
  switch (kind) {
    case Body::kConAck: {
      auto answer = decode_conack(body);
      if (!answer) return std::nullopt;
      answer->id = id;
      return *std::move(answer);
    }
    case Body::kResponse: {
      auto answer = decode_response(body);
      if (!answer) return std::nullopt;
      answer->id = id;
      if (login && edition == Edition::kV1) return login_answer(*std::move(answer));
      return *std::move(answer);
    }
    case Body::kRequest: return decode_push(body);
    case Body::kDisconnect: return decode_disconnect(body);
    default: return std::nullopt;
  }
}

// ---- inside pushes and answers ----

std::optional<InMessage> decode_in_message(std::string_view payload) {
  MessageView view;
  if (decode_message(as_bytes(payload), view) != DecodeStatus::kOk) return std::nullopt;
  InMessage message;
  if (view.type >= 0 && view.type < kMessageTypeCount) {
    message.type = static_cast<MessageType>(view.type);
  } else {
    message.type = MessageType::kCustom;
  }
  message.payload = text_of(as_text(view.payload));
  message.from = text_of(view.from);
  message.to = text_of(view.to);
  message.group = text_of(view.group);
  message.client_id = text_of(as_text(view.client_id));
  message.device = text_of(view.device);
  message.seq = view.seq;
  message.peer_seq = view.peer_seq;
  message.time_ms = view.time_ms;
  return message;
}

std::optional<std::string> decode_text(std::string_view payload) {
  std::string text;
  const bool ok = read_fields(payload, [&](pbf_reader& field) {
    if (field.tag() == 1) {
      text = text_of(field.get_view());
    } else {
      field.skip();
    }
  });
  if (!ok) return std::nullopt;
  return text;
}

std::optional<GroupEvent> decode_group_event(std::string_view payload) {
  GroupEvent event;
  std::int32_t op = 0;
  std::int32_t role = 0;
  const bool ok = read_fields(payload, [&](pbf_reader& field) {
    switch (field.tag()) {
      case 1: op = field.get_enum(); break;
      case 2: event.group = text_of(field.get_view()); break;
      case 3: event.by = text_of(field.get_view()); break;
      case 4: event.users.push_back(text_of(field.get_view())); break;
      case 5: event.seq = field.get_uint64(); break;
      case 6: event.time_ms = field.get_int64(); break;
      case 7: event.name = text_of(field.get_view()); break;
      case 8: role = field.get_enum(); break;
      default: field.skip();
    }
  });
  if (!ok || !valid_group_op(op) || !valid_role(role)) return std::nullopt;
  event.op = static_cast<GroupOp>(op);
  event.role = static_cast<Role>(role);
  return event;
}

std::optional<ContactEvent> decode_contact_event(std::string_view payload) {
  ContactEvent event;
  std::int32_t op = 0;
  const bool ok = read_fields(payload, [&](pbf_reader& field) {
    switch (field.tag()) {
      case 1: op = field.get_enum(); break;
      case 2: event.user = text_of(field.get_view()); break;
      case 3: event.note = text_of(field.get_view()); break;
      case 4: event.seq = field.get_uint64(); break;
      case 5: event.time_ms = field.get_int64(); break;
      default: field.skip();
    }
  });
  if (!ok || !valid_contact_op(op)) return std::nullopt;
  event.op = static_cast<ContactOp>(op);
  return event;
}

namespace {

bool read_member(std::string_view body, GroupResult::Member& member) {
  std::int32_t role = 0;
  const bool ok = read_fields(body, [&](pbf_reader& field) {
    switch (field.tag()) {
      case 1: member.user = text_of(field.get_view()); break;
      case 2: role = field.get_enum(); break;
      case 3: member.muted = field.get_bool(); break;
      default: field.skip();
    }
  });
  member.role = static_cast<Role>(role);
  return ok && valid_role(role);
}

}  // namespace

std::optional<GroupResult> decode_group_result(std::string_view payload) {
  GroupResult result;
  bool members_ok = true;
  const bool ok = read_fields(payload, [&](pbf_reader& field) {
    switch (field.tag()) {
      case 1: result.group = text_of(field.get_view()); break;
      case 2: result.name = text_of(field.get_view()); break;
      case 3: {
        const auto body = field.get_view();
        members_ok &= read_member(view_of(body), result.members.emplace_back());
        break;
      }
      case 4: result.member_count = field.get_uint32(); break;
      case 5: result.head_seq = field.get_uint64(); break;
      case 6: result.cursor = text_of(field.get_view()); break;
      case 7: result.groups.push_back(text_of(field.get_view())); break;
      case 8: result.open = field.get_bool(); break;
      default: field.skip();
    }
  });
  if (!ok || !members_ok) return std::nullopt;
  return result;
}

std::optional<SyncResult> decode_sync_result(std::string_view payload) {
  SyncResult result;
  bool rows_ok = true;
  const bool ok = read_fields(payload, [&](pbf_reader& field) {
    switch (field.tag()) {
      case 1:
        if (auto row = decode_in_message(view_of(field.get_view()))) {
          result.messages.push_back(*std::move(row));
        } else {
          rows_ok = false;
        }
        break;
      case 2: result.head_seq = field.get_uint64(); break;
      case 3: result.more = field.get_bool(); break;
      case 4: result.first_seq = field.get_uint64(); break;
      case 5:
        if (auto row = decode_group_event(view_of(field.get_view()))) {
          result.group_events.push_back(*std::move(row));
        } else {
          rows_ok = false;
        }
        break;
      case 6:
        if (auto row = decode_contact_event(view_of(field.get_view()))) {
          result.contact_events.push_back(*std::move(row));
        } else {
          rows_ok = false;
        }
        break;
      default: field.skip();
    }
  });
  if (!ok || !rows_ok) return std::nullopt;
  return result;
}

}  // namespace ims::client
