// Contacts and presence on protozero (people.h).
#include "shared/client/people.h"

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "shared/client/fields.h"

namespace ims::client {
namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;

// Calls take(reader) for each field; throws protozero::exception where the bytes are malformed.
template <typename Take>
void read_fields(const protozero::data_view& message, Take&& take) {
  pbf_reader reader(message);
  while (reader.next()) take(reader);
}

protozero::data_view view_of(std::string_view text) { return {text.data(), text.size()}; }

ContactResult::Contact read_contact(const protozero::data_view& body) {
  ContactResult::Contact contact;
  read_fields(body, [&](pbf_reader& field) {
    switch (field.tag()) {
      case 1: contact.user = text_of(field.get_view()); break;
      case 2: contact.state = static_cast<ContactState>(field.get_enum() & 3); break;
      case 3: contact.blocked = field.get_bool(); break;
      case 4: contact.note = text_of(field.get_view()); break;
      default: field.skip();
    }
  });
  return contact;
}

Presence read_presence(const protozero::data_view& body) {
  Presence presence;
  read_fields(body, [&](pbf_reader& field) {
    switch (field.tag()) {
      case 1: presence.user = text_of(field.get_view()); break;
      case 2: presence.online = field.get_bool(); break;
      case 3: presence.last_seen_ms = field.get_int64(); break;
      case 4: presence.devices.push_back(text_of(field.get_view())); break;
      default: field.skip();
    }
  });
  return presence;
}

}  // namespace

std::string contact_payload(const OutContactRequest& request) {
  std::string body;
  pbf_writer out(body);
  if (request.op != ContactOp::kList) out.add_enum(1, static_cast<std::int32_t>(request.op));
  add_text(out, 2, request.user);
  add_text(out, 3, request.note);
  add_text(out, 4, request.cursor);
  if (request.limit != 0) out.add_uint32(5, request.limit);
  return body;
}

std::string presence_payload(const std::vector<std::string>& users, bool watch) {
  std::string body;
  pbf_writer out(body);
  for (const std::string& user : users) out.add_string(1, user);
  if (watch) out.add_bool(2, true);
  return body;
}

std::string recall_payload(std::uint64_t seq) {
  std::string body;
  pbf_writer out(body);
  if (seq != 0) out.add_uint64(1, seq);
  return body;
}

std::optional<ContactResult> decode_contact_result(std::string_view payload) {
  ContactResult result;
  try {
    read_fields(view_of(payload), [&](pbf_reader& field) {
      switch (field.tag()) {
        case 1: result.contacts.push_back(read_contact(field.get_view())); break;
        case 2: result.cursor = text_of(field.get_view()); break;
        default: field.skip();
      }
    });
  } catch (const protozero::exception&) {
    return std::nullopt;
  }
  return result;
}

std::optional<std::vector<Presence>> decode_presence_result(std::string_view payload) {
  std::vector<Presence> result;
  try {
    read_fields(view_of(payload), [&](pbf_reader& field) {
      if (field.tag() == 1) {
        result.push_back(read_presence(field.get_view()));
      } else {
        field.skip();
      }
    });
  } catch (const protozero::exception&) {
    return std::nullopt;
  }
  return result;
}

std::uint64_t decode_recall(std::string_view payload) {
  std::uint64_t seq = 0;
  try {
    read_fields(view_of(payload), [&](pbf_reader& field) {
      if (field.tag() == 1) {
        seq = field.get_uint64();
      } else {
        field.skip();
      }
    });
  } catch (const protozero::exception&) {
    return 0;
  }
  return seq;
}

}  // namespace ims::client
