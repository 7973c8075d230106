// The owner of who is asked about: answers, and tells who watches when devices came or went
// (presence.h).
#include <algorithm>

#include "logic/find_entity.h"
#include "logic/presence.h"
#include "logic/presence_text.h"
#include "logic/worker.h"
#include "shared/limits.h"

namespace ims::logic {

std::string Presence::text_of(const User& user) const {
  PresenceText presence;
  presence.user = user.name;
  for (const Session* session : user.sessions) {
    if (session->send_only || session->closing || !session->login_durable) continue;
    presence.online = true;
    presence.devices.push_back(session->device);
  }
  std::sort(presence.devices.begin(), presence.devices.end());
  const auto last = std::unique(presence.devices.begin(), presence.devices.end());
  presence.devices.erase(last, presence.devices.end());
  if (presence.devices.size() > kPresenceDevicesMax) presence.devices.resize(kPresenceDevicesMax);
  if (!presence.online) presence.last_seen_ms = user.last_seen_ms;
  std::string text;
  append_presence_text(text, presence);
  return text;
}

// Every user is loaded first. Long answers leave in several records.
void Presence::on_ask(const PresenceRecord& record) {
  const ByteView bytes = bytes_of(record);
  RecordTail tail(record);
  const std::string_view names = tail.take_text(record.list_bytes);
  std::vector<User*> users;
  for (std::string_view list = names; !list.empty();) {
    const std::string_view name = take_presence_name(list);
    users.push_back(
        &worker_.user_entry(record.tenant, worker_.user_hash(record.tenant, name), name));
  }
  if (!worker_.ensure_all_loaded(users, false, bytes)) return;
  std::erase_if(users, [](const User* user) {  // a friend that an operator removed is offline
    return user->state != Entity::State::kReady && !user->removed;
  });
  PresenceRecord answer = record;
  answer.worker = worker_.ports_.index;
  answer.last = false;
  const std::size_t bytes_max = worker_.config_.max_frame_bytes / 2;
  std::string list;
  const auto send = [&] {
    answer.list_bytes = static_cast<std::uint32_t>(list.size());
    worker_.send_handoff(record.worker, answer, HandoffKind::kPresenceAnswer, {list});
    list.clear();
  };
  for (User* user : users) {
    const std::string text = text_of(*user);
    if (!list.empty() && list.size() + text.size() > bytes_max) send();
    list += text;
    if (!record.watch) continue;
    Subject& subject = subjects_[user];
    if (subject.user == nullptr) {
      subject.user = user;
      worker_.pin(user);
    }
    if (subject.watchers.empty()) subject.told = text;
    if (text != subject.told) subject.uneven = true;
    if (std::find(subject.watchers.begin(), subject.watchers.end(), record.worker) ==
        subject.watchers.end()) {
      subject.watchers.push_back(record.worker);
    }
  }
  answer.last = true;
  send();
}

void Presence::on_unwatch(const PresenceRecord& record) {
  RecordTail tail(record);
  std::string_view list = tail.take_text(record.list_bytes);
  const std::string_view name = take_presence_name(list);
  Entity* found = worker_.find_entity(NameKind::kUser, record.tenant,
                                      worker_.user_hash(record.tenant, name), name);
  if (found == nullptr) return;
  const auto subject = subjects_.find(static_cast<const User*>(found));
  if (subject == subjects_.end()) return;
  std::erase(subject->second.watchers, record.worker);
  if (!subject->second.watchers.empty()) return;
  worker_.unpin(subject->second.user);
  subjects_.erase(subject);
}

void Presence::touch(const User& user) {
  const auto it = subjects_.find(&user);
  if (it == subjects_.end()) return;
  Subject& subject = it->second;
  const std::string text = text_of(user);
  if (text == subject.told && !subject.uneven) {  // back in time: nothing happened
    subject.due_ms = 0;
    return;
  }
  std::string_view now = text;
  std::string_view told = subject.told;
  const PresenceText is = take_presence_text(now);
  const PresenceText was = take_presence_text(told);
  const bool only_went = is.devices != was.devices &&
                         std::includes(was.devices.begin(), was.devices.end(), is.devices.begin(),
                                       is.devices.end());
  // Devices that went may be back in a moment. A wait is not prolonged by more of the same.
  if (subject.due_ms == 0 || subject.waits_for_return != only_went) {
    subject.due_ms = worker_.now_.mono_ms + (only_went ? kPresenceGoneMs : kPresenceSettleMs);
  }
  subject.waits_for_return = only_went;
  next_due_ms_ = std::min(next_due_ms_, subject.due_ms);
}

bool Presence::tell(Subject& subject, const std::string& text) {
  PresenceRecord record;
  record.tenant = subject.user->tenant;
  record.list_bytes = static_cast<std::uint32_t>(text.size());
  bool all = true;
  for (const WorkerIndex watcher : subject.watchers) {
    record.worker = worker_.ports_.index;
    all = worker_.send_handoff(watcher, record, HandoffKind::kPresence, {text}) && all;
  }
  return all;
}

void Presence::tick() {
  const std::int64_t now_ms = worker_.now_.mono_ms;
  for (auto it = exchanges_.begin(); it != exchanges_.end();) {
    if (now_ms < it->second.deadline_ms) {
      ++it;
      continue;
    }
    worker_.refuse(it->second.requester, Code::kUnavailable);
    exchanges_.erase(it++);
  }
  if (now_ms < next_due_ms_) return;
  next_due_ms_ = INT64_MAX;
  for (auto& [user, subject] : subjects_) {
    if (subject.due_ms == 0) continue;
    if (now_ms >= subject.due_ms) {
      subject.due_ms = 0;
      std::string text = text_of(*subject.user);
      if (text == subject.told && !subject.uneven) continue;
      if (tell(subject, text)) {
        subject.told = std::move(text);
        subject.uneven = false;
        continue;
      }
      subject.due_ms = now_ms + kPresenceSettleMs;  // a ring was full: once more, to all
    }
    next_due_ms_ = std::min(next_due_ms_, subject.due_ms);
  }
}

}  // namespace ims::logic
