// The bytes of keys.h, written and read back.
#include "logic/keys.h"

#include "logic/big_endian.h"

namespace ims::logic {
namespace {

std::string named_key(char kind, std::uint16_t partition, TenantId tenant, std::string_view name) {
  std::string key;
  key.reserve(1 + 2 + 4 + name.size());
  key.push_back(kind);
  append_number(key, partition);
  append_number(key, tenant.value);
  key.append(name);
  return key;
}

std::string owned_key(char kind, TimelineKey owner, std::string_view name) {
  std::string key;
  key.reserve(1 + 2 + 8 + name.size());
  key.push_back(kind);
  append_number(key, owner.partition);
  append_number(key, owner.id);
  key.append(name);
  return key;
}

std::string numbered_key(char kind, std::uint16_t partition, std::uint64_t number) {
  std::string key(1, kind);
  append_number(key, partition);
  append_number(key, number);
  return key;
}

std::string timeline_prefix(TimelineKey timeline, std::size_t more_bytes) {
  std::string key;
  key.reserve(2 + 8 + more_bytes);
  append_number(key, timeline.partition);
  append_number(key, timeline.id);
  return key;
}

}  // namespace

std::string tenant_key(TenantId tenant) {
  std::string key(1, 't');
  append_number(key, tenant.value);
  return key;
}

std::string user_key(std::uint16_t partition, TenantId tenant, std::string_view name) {
  return named_key('u', partition, tenant, name);
}
std::string password_key(std::uint16_t partition, TenantId tenant, std::string_view name) {
  return named_key('p', partition, tenant, name);
}
std::string group_key(std::uint16_t partition, TenantId tenant, std::string_view name) {
  return named_key('g', partition, tenant, name);
}
std::string dismissal_key(std::uint16_t partition, TenantId tenant, std::string_view name) {
  return named_key('x', partition, tenant, name);
}
std::string member_key(TimelineKey group, std::string_view user_name) {
  return owned_key('m', group, user_name);
}
std::string mine_key(TimelineKey user, std::string_view group_name) {
  return owned_key('n', user, group_name);
}

std::string contact_key(TimelineKey user, std::string_view other_name) {
  return owned_key('c', user, other_name);
}

std::string outbox_key(std::uint16_t partition, std::uint64_t number) {
  return numbered_key('o', partition, number);
}
std::string applied_key(std::uint16_t partition, std::uint64_t number) {
  return numbered_key('d', partition, number);
}

std::string row_key(TimelineKey timeline, std::uint64_t seq) {
  std::string key = timeline_prefix(timeline, 8);
  append_number(key, seq);
  return key;
}

std::string user_cursors_key(TimelineKey user) { return timeline_prefix(user, 0); }

std::string device_cursors_key(TimelineKey user, std::string_view device) {
  std::string key = timeline_prefix(user, 1 + device.size() + 8);
  key.push_back(static_cast<char>(device.size()));
  key.append(device);
  return key;
}

std::string cursor_key(TimelineKey user, std::string_view device, std::uint64_t timeline) {
  std::string key = device_cursors_key(user, device);
  append_number(key, timeline);
  return key;
}

std::string prefix_end(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  IMS_ASSERT(!prefix.empty());
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

std::uint64_t seq_of_row_key(std::string_view key) { return read_number<std::uint64_t>(key, 10); }

std::string_view name_of_member_key(std::string_view key) { return key.substr(11); }

CursorKeyParts parse_cursor_key(std::string_view key) {
  const std::size_t device_bytes = static_cast<unsigned char>(key.at(10));
  return {key.substr(11, device_bytes), read_number<std::uint64_t>(key, 11 + device_bytes)};
}

std::uint64_t number_of_outbox_key(std::string_view key) {
  return read_number<std::uint64_t>(key, 3);
}

std::uint16_t partition_of_key(std::string_view key, std::size_t at) {
  return read_number<std::uint16_t>(key, at);
}

}  // namespace ims::logic
