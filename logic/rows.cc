// The bytes of rows.h, written and read back.
#include "logic/rows.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "logic/big_endian.h"
#include "shared/varint.h"

namespace ims::logic {
namespace {

constexpr std::uint8_t kRecalledBit = 0x80;  // of a row's kind
constexpr std::size_t kContentHashBytes = 16;
constexpr char kVersion = 1;
constexpr char kUserVersion = 2;    // 1: no contacts
constexpr char kOutboxVersion = 2;  // 1: memberships alone

// Reads numbers and strings off the front of a value; any shortage makes it fail for good.
class ValueReader {
 public:
  explicit ValueReader(std::string_view value, std::uint8_t newest = kVersion) : left_(value) {
    version_ = number<std::uint8_t>();
    if (version_ < kVersion || version_ > newest) ok_ = false;
  }
  static ValueReader behind(std::string_view value, std::size_t header_bytes) {
    ValueReader reader;
    reader.left_ = value.substr(header_bytes);
    return reader;
  }

  template <typename T>
  T number() {
    if (left_.size() < sizeof(T)) {
      ok_ = false;
      return {};
    }
    const T value = read_number<T>(left_, 0);
    left_.remove_prefix(sizeof(T));
    return value;
  }
  std::string text() {
    const std::size_t bytes = number<std::uint16_t>();
    if (left_.size() < bytes) {
      ok_ = false;
      return {};
    }
    std::string value(left_.substr(0, bytes));
    left_.remove_prefix(bytes);
    return value;
  }
  // A byte of which only the bits of `known` may be set.
  std::uint8_t flags(std::uint8_t known) {
    const auto value = number<std::uint8_t>();
    if ((value & ~known) != 0) ok_ = false;
    return value;
  }
  std::uint8_t version() const { return version_; }
  bool ok() const { return ok_ && left_.empty(); }

 private:
  ValueReader() = default;

  std::string_view left_;
  std::uint8_t version_ = 0;
  bool ok_ = true;
};

void append_text(std::string& out, std::string_view text) {
  append_number(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}

void append_timeline(std::string& out, const TimelineState& state) {
  append_number(out, state.head);
  append_number(out, state.first_seq);
  append_number(out, state.first_time_ms);
  append_number(out, state.last_time_ms);
}

TimelineState read_timeline(ValueReader& reader) {
  TimelineState state;
  state.head = reader.number<std::uint64_t>();
  state.first_seq = reader.number<std::uint64_t>();
  state.first_time_ms = reader.number<std::int64_t>();
  state.last_time_ms = reader.number<std::int64_t>();
  return state;
}

void append_mine(std::string& out, const MineRow& row) {
  append_number(out, row.group.value);
  append_number(out, row.join_seq);
  append_number(out, row.end_seq);
  append_number(out, row.end_time_ms);
}

MineRow read_mine(ValueReader& reader) {
  MineRow row;
  row.group.value = reader.number<std::uint64_t>();
  row.join_seq = reader.number<std::uint64_t>();
  row.end_seq = reader.number<std::uint64_t>();
  row.end_time_ms = reader.number<std::int64_t>();
  return row;
}

// Where the payload of a push begins: [08 type] 12 length payload, the type of one byte and absent
// for MESSAGE, the payload up to the end. 0: `body` is no push.
std::size_t payload_offset(std::string_view body) noexcept {
  std::size_t at = body.size() >= 2 && body[0] == 0x08 ? 2 : 0;
  if (at >= body.size() || body[at] != 0x12) return 0;
  ++at;
  const LengthPrefix length = decode_length_prefix(as_bytes(body.substr(at)));
  if (length.status != VarintStatus::kOk) return 0;
  at += length.prefix_bytes;
  return length.value == body.size() - at ? at : 0;
}

}  // namespace

// ---- timeline rows ------------------------------------------------------------------------------

void append_row_header(std::string& out, std::int64_t time_ms, SessionId origin_session,
                       UserId sender, RowKind kind) {
  append_number(out, time_ms);
  append_number(out, origin_session.value);
  append_number(out, sender.value);
  out.push_back(static_cast<char>(kind));
}

void append_recalled_header(std::string& out, const RowView& row, const ContentHash& content) {
  append_row_header(out, row.time_ms, row.origin_session, row.sender, row.kind);
  out.back() = static_cast<char>(static_cast<std::uint8_t>(row.kind) | kRecalledBit);
  append_number(out, content.low);
  append_number(out, content.high);
}

std::optional<RowView> decode_row(std::string_view value) {
  if (value.size() <= kRowHeaderBytes) return std::nullopt;
  RowView row;
  row.time_ms = read_number<std::int64_t>(value, 0);
  row.origin_session.value = read_number<std::uint64_t>(value, 8);
  row.sender.value = read_number<std::uint64_t>(value, 16);
  const auto bits = static_cast<std::uint8_t>(value[24]);
  const auto kind = static_cast<std::uint8_t>(bits & ~kRecalledBit);
  if (kind > static_cast<std::uint8_t>(RowKind::kContactEvent)) return std::nullopt;
  row.kind = static_cast<RowKind>(kind);
  row.body = value.substr(kRowHeaderBytes);
  if ((bits & kRecalledBit) != 0) {
    if (row.body.size() <= kContentHashBytes) return std::nullopt;
    row.recalled = ContentHash{read_number<std::uint64_t>(row.body, 0),
                               read_number<std::uint64_t>(row.body, 8)};
    row.body.remove_prefix(kContentHashBytes);
  }
  if (payload_offset(row.body) == 0) return std::nullopt;
  return row;
}

std::string_view RowView::message() const noexcept { return body.substr(payload_offset(body)); }

std::optional<std::string_view> decode_push(std::string_view body) {
  RowView row;
  row.body = body;
  return row.message();
}

// ---- users and groups ---------------------------------------------------------------------------

std::string encode_user(const UserRow& row) {
  std::string out(1, kUserVersion);
  append_number(out, row.id.value);
  append_timeline(out, row.inbox);
  append_number(out, row.last_seen_ms);
  append_number(out, static_cast<std::uint8_t>(row.removed));
  append_number(out, row.contacts);
  append_number(out, row.blocked);
  append_number(out, row.online_boot);
  return out;
}

std::optional<UserRow> decode_user(std::string_view value) {
  ValueReader reader(value, kUserVersion);
  UserRow row;
  row.id.value = reader.number<std::uint64_t>();
  row.inbox = read_timeline(reader);
  row.last_seen_ms = reader.number<std::int64_t>();
  row.removed = reader.flags(1) != 0;
  if (reader.version() > 1) {
    row.contacts = reader.number<std::uint32_t>();
    row.blocked = reader.number<std::uint32_t>();
    row.online_boot = reader.number<std::uint32_t>();
  }
  if (!reader.ok()) return std::nullopt;
  return row;
}

std::string encode_group(const GroupRow& row) {
  std::string out(1, kVersion);
  append_number(out, row.id.value);
  append_timeline(out, row.timeline);
  append_number(out, row.member_count);
  append_number(out, static_cast<std::uint8_t>((row.open ? 1 : 0) | (row.dismissed ? 2 : 0)));
  append_text(out, row.name);
  return out;
}

std::optional<GroupRow> decode_group(std::string_view value) {
  ValueReader reader(value);
  GroupRow row;
  row.id.value = reader.number<std::uint64_t>();
  row.timeline = read_timeline(reader);
  row.member_count = reader.number<std::uint32_t>();
  const auto flags = reader.flags(3);
  row.open = (flags & 1) != 0;
  row.dismissed = (flags & 2) != 0;
  row.name = reader.text();
  if (!reader.ok()) return std::nullopt;
  return row;
}

// ---- memberships --------------------------------------------------------------------------------

std::string encode_member(const MemberRow& row) {
  std::string out(1, kVersion);
  append_number(out, static_cast<std::uint8_t>(row.role));
  append_number(out, static_cast<std::uint8_t>(row.muted));
  append_number(out, row.join_seq);
  return out;
}

std::optional<MemberRow> decode_member(std::string_view value) {
  ValueReader reader(value);
  MemberRow row;
  const auto role = reader.number<std::uint8_t>();
  row.role = static_cast<Role>(role);
  row.muted = reader.flags(1) != 0;
  row.join_seq = reader.number<std::uint64_t>();
  if (!reader.ok() || !valid_role(role)) return std::nullopt;
  return row;
}

std::string encode_mine(const MineRow& row) {
  std::string out(1, kVersion);
  append_mine(out, row);
  return out;
}

std::optional<MineRow> decode_mine(std::string_view value) {
  ValueReader reader(value);
  const MineRow row = read_mine(reader);
  if (!reader.ok()) return std::nullopt;
  return row;
}

// ---- cursors and dedupe -------------------------------------------------------------------------

std::string encode_cursor(const CursorRow& row) {
  std::string out;
  append_number(out, row.last_used_ms);
  append_number(out, row.seq);
  return out;
}

std::optional<CursorRow> decode_cursor(std::string_view value) {
  ValueReader reader = ValueReader::behind(value, 0);
  CursorRow row;
  row.last_used_ms = reader.number<std::int64_t>();
  row.seq = reader.number<std::uint64_t>();
  if (!reader.ok()) return std::nullopt;
  return row;
}

ContentHash hash_content(std::uint8_t type, ByteView payload) noexcept {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(payload.data(), payload.size(), type);
  return {hash.low64, hash.high64};
}

// ---- contacts -----------------------------------------------------------------------------------

ContactRow ContactRow::mirrored() const {
  ContactRow other = *this;
  std::swap(other.blocked, other.blocked_by);
  if (state == ContactState::kRequested) other.state = ContactState::kPending;
  if (state == ContactState::kPending) other.state = ContactState::kRequested;
  return other;
}

namespace {

void append_contact_row(std::string& out, const ContactRow& row) {
  append_number(out, static_cast<std::uint8_t>(row.state));
  append_number(out, static_cast<std::uint8_t>((row.blocked ? 1 : 0) | (row.blocked_by ? 2 : 0)));
  append_text(out, row.note);
}

// Nothing else is valid: false.
bool read_contact_row(ValueReader& reader, ContactRow& row) {
  const auto state = reader.number<std::uint8_t>();
  const auto flags = reader.number<std::uint8_t>();
  row.state = static_cast<ContactState>(state);
  row.blocked = (flags & 1) != 0;
  row.blocked_by = (flags & 2) != 0;
  row.note = reader.text();
  return state <= static_cast<std::uint8_t>(ContactState::kFriend) && flags <= 3;
}

}  // namespace

std::string encode_contact(const ContactRow& row) {
  std::string out(1, kVersion);
  append_contact_row(out, row);
  return out;
}

std::optional<ContactRow> decode_contact(std::string_view value) {
  ValueReader reader(value);
  ContactRow row;
  const bool valid = read_contact_row(reader, row);
  if (!reader.ok() || !valid) return std::nullopt;
  return row;
}

// ---- outbox -------------------------------------------------------------------------------------

std::string encode_outbox(const OutboxRow& row) {
  std::string out(1, kOutboxVersion);
  append_number(out, static_cast<std::uint8_t>(row.kind));
  append_number(out, row.tenant.value);
  append_text(out, row.user_name);
  if (row.kind == OutboxRow::Kind::kMine) {
    append_text(out, row.group_name);
    append_mine(out, row.mine);
    return out;
  }
  append_text(out, row.other_name);
  append_contact_row(out, row.contact);
  append_number(out, static_cast<std::uint8_t>(row.contacts_change));
  append_number(out, static_cast<std::uint8_t>(row.blocked_change));
  append_number(out, static_cast<std::uint8_t>(row.event));
  append_text(out, row.event_note);
  append_number(out, row.event_sender.value);
  return out;
}

std::optional<OutboxRow> decode_outbox(std::string_view value) {
  ValueReader reader(value, kOutboxVersion);
  OutboxRow row;
  const std::uint8_t kind = reader.version() > 1 ? reader.number<std::uint8_t>() : 0;  // 0: kMine
  bool valid = kind <= static_cast<std::uint8_t>(OutboxRow::Kind::kContact);
  row.kind = static_cast<OutboxRow::Kind>(kind);
  row.tenant.value = reader.number<std::uint32_t>();
  row.user_name = reader.text();
  if (row.kind == OutboxRow::Kind::kMine) {
    row.group_name = reader.text();
    row.mine = read_mine(reader);
  } else {
    row.other_name = reader.text();
    valid = read_contact_row(reader, row.contact) && valid;
    row.contacts_change = static_cast<std::int8_t>(reader.number<std::uint8_t>());
    row.blocked_change = static_cast<std::int8_t>(reader.number<std::uint8_t>());
    const auto event = reader.number<std::uint8_t>();
    valid = valid && valid_contact_op(event);
    row.event = static_cast<ContactOp>(event);
    row.event_note = reader.text();
    row.event_sender.value = reader.number<std::uint64_t>();
  }
  if (!reader.ok() || !valid) return std::nullopt;
  return row;
}

}  // namespace ims::logic
