// Events and result rows, field by field over shared/wire_write.h.
#include "shared/results.h"

#include "shared/wire_write.h"

namespace ims {
namespace {

// Makes room for `bytes` more at the end of `out` and returns where they go.
std::byte* grow(Buffer& out, std::size_t bytes) {
  const std::size_t before = out.size();
  out.resize(before + bytes);
  return out.data() + before;
}

template <typename Enum>
constexpr std::uint64_t number_of(Enum value) noexcept {
  return static_cast<std::uint64_t>(value);
}

std::size_t elements_bytes(std::span<const std::string_view> texts) noexcept {
  std::size_t bytes = 0;
  for (const std::string_view text : texts) bytes += element_bytes(text.size());
  return bytes;
}

std::byte* write_elements(std::byte* out, std::uint32_t number,
                          std::span<const std::string_view> texts) noexcept {
  for (const std::string_view text : texts) out = write_text_element(out, number, text);
  return out;
}

}  // namespace

// ---- events ------------------------------------------------------------------------------------

std::size_t contact_event_bytes(const ContactEventFields& fields) noexcept {
  return varint_field_bytes(number_of(fields.op)) + bytes_field_bytes(fields.user.size()) +
         bytes_field_bytes(fields.note.size()) + varint_field_bytes(fields.seq) +
         varint_field_bytes(wire_int64(fields.time_ms));
}

std::byte* write_contact_event(std::byte* out, const ContactEventFields& fields) noexcept {
  out = write_varint_field(out, 1, number_of(fields.op));
  out = write_text_field(out, 2, fields.user);
  out = write_text_field(out, 3, fields.note);
  out = write_varint_field(out, 4, fields.seq);
  return write_varint_field(out, 5, wire_int64(fields.time_ms));
}

std::size_t group_event_bytes(const GroupEventFields& fields) noexcept {
  return varint_field_bytes(number_of(fields.op)) + bytes_field_bytes(fields.group.size()) +
         bytes_field_bytes(fields.by.size()) + elements_bytes(fields.users) +
         varint_field_bytes(fields.seq) + varint_field_bytes(wire_int64(fields.time_ms)) +
         bytes_field_bytes(fields.name.size()) + varint_field_bytes(number_of(fields.role));
}

std::byte* write_group_event(std::byte* out, const GroupEventFields& fields) noexcept {
  out = write_varint_field(out, 1, number_of(fields.op));
  out = write_text_field(out, 2, fields.group);
  out = write_text_field(out, 3, fields.by);
  out = write_elements(out, 4, fields.users);
  out = write_varint_field(out, 5, fields.seq);
  out = write_varint_field(out, 6, wire_int64(fields.time_ms));
  out = write_text_field(out, 7, fields.name);
  return write_varint_field(out, 8, number_of(fields.role));
}

std::size_t push_contact_event_bytes(const ContactEventFields& fields) noexcept {
  return push_bytes(RequestType::kContact, contact_event_bytes(fields));
}

std::byte* write_push_contact_event(std::byte* out, const ContactEventFields& fields) noexcept {
  out = write_push_header(out, RequestType::kContact, contact_event_bytes(fields));
  return write_contact_event(out, fields);
}

std::size_t push_group_event_bytes(const GroupEventFields& fields) noexcept {
  return push_bytes(RequestType::kGroup, group_event_bytes(fields));
}

std::byte* write_push_group_event(std::byte* out, const GroupEventFields& fields) noexcept {
  out = write_push_header(out, RequestType::kGroup, group_event_bytes(fields));
  return write_group_event(out, fields);
}

// ---- SyncResult --------------------------------------------------------------------------------

void append_sync_message(Buffer& out, const MessageFields& row) {
  const std::size_t bytes = message_bytes(row);
  write_message(write_length_field(grow(out, element_bytes(bytes)), 1, bytes), row);
}

void append_sync_group_event(Buffer& out, const GroupEventFields& row) {
  const std::size_t bytes = group_event_bytes(row);
  write_group_event(write_length_field(grow(out, element_bytes(bytes)), 5, bytes), row);
}

void append_sync_contact_event(Buffer& out, const ContactEventFields& row) {
  const std::size_t bytes = contact_event_bytes(row);
  write_contact_event(write_length_field(grow(out, element_bytes(bytes)), 6, bytes), row);
}

void append_sync_tail(Buffer& out, std::uint64_t head_seq, bool more, std::uint64_t first_seq) {
  std::byte* at = grow(out, varint_field_bytes(head_seq) + varint_field_bytes(more) +
                                varint_field_bytes(first_seq));
  at = write_varint_field(at, 2, head_seq);
  at = write_varint_field(at, 3, more);
  write_varint_field(at, 4, first_seq);
}

// ---- ContactResult -----------------------------------------------------------------------------

void append_contact(Buffer& out, const ContactFields& row) {
  const std::size_t bytes = bytes_field_bytes(row.user.size()) +
                            varint_field_bytes(number_of(row.state)) +
                            varint_field_bytes(row.blocked) + bytes_field_bytes(row.note.size());
  std::byte* at = write_length_field(grow(out, element_bytes(bytes)), 1, bytes);
  at = write_text_field(at, 1, row.user);
  at = write_varint_field(at, 2, number_of(row.state));
  at = write_varint_field(at, 3, row.blocked);
  write_text_field(at, 4, row.note);
}

void append_contact_tail(Buffer& out, std::string_view cursor) {
  write_text_field(grow(out, bytes_field_bytes(cursor.size())), 2, cursor);
}

// ---- GroupResult -------------------------------------------------------------------------------

void append_group_member(Buffer& out, const MemberFields& row) {
  const std::size_t bytes = bytes_field_bytes(row.user.size()) +
                            varint_field_bytes(number_of(row.role)) +
                            varint_field_bytes(row.muted);
  std::byte* at = write_length_field(grow(out, element_bytes(bytes)), 3, bytes);
  at = write_text_field(at, 1, row.user);
  at = write_varint_field(at, 2, number_of(row.role));
  write_varint_field(at, 3, row.muted);
}

void append_group_mine(Buffer& out, std::string_view group) {
  write_text_element(grow(out, element_bytes(group.size())), 7, group);
}

void append_group_tail(Buffer& out, const GroupTailFields& fields) {
  std::byte* at = grow(
      out, bytes_field_bytes(fields.group.size()) + bytes_field_bytes(fields.name.size()) +
               varint_field_bytes(fields.member_count) + varint_field_bytes(fields.head_seq) +
               bytes_field_bytes(fields.cursor.size()) + varint_field_bytes(fields.open));
  at = write_text_field(at, 1, fields.group);
  at = write_text_field(at, 2, fields.name);
  at = write_varint_field(at, 4, fields.member_count);
  at = write_varint_field(at, 5, fields.head_seq);
  at = write_text_field(at, 6, fields.cursor);
  write_varint_field(at, 8, fields.open);
}

// ---- PresenceResult ----------------------------------------------------------------------------

void append_presence(Buffer& out, const PresenceFields& row) {
  const std::size_t bytes = bytes_field_bytes(row.user.size()) + varint_field_bytes(row.online) +
                            varint_field_bytes(wire_int64(row.last_seen_ms)) +
                            elements_bytes(row.devices);
  std::byte* at = write_length_field(grow(out, element_bytes(bytes)), 1, bytes);
  at = write_text_field(at, 1, row.user);
  at = write_varint_field(at, 2, row.online);
  at = write_varint_field(at, 3, wire_int64(row.last_seen_ms));
  write_elements(at, 4, row.devices);
}

}  // namespace ims
