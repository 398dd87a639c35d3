-- What organisers put up: their own names for it, by which an import finds it again, and a change feed that begins with
-- everything there is.

alter table venue add column import_key text;
alter table event add column import_key text;
create unique index venue_import_key on venue (organiser, import_key);
create unique index event_import_key on event (organiser, import_key);

-- Of each event only the last change is kept: who reads on from any version still hears of every event that changed since.
insert into catalogue_change (version, event_id) select id, id from event;
update meta set catalogue_version = max(catalogue_version, (select coalesce(max(version), 0) from catalogue_change));
create unique index catalogue_change_event on catalogue_change (event_id);
