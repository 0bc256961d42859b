from ecgcore.store import Store, health, room


def test_a_database_says_what_it_is_and_its_url_has_no_password(tmp_path, database_url, files):
    store = Store(tmp_path / "home", database_url)
    try:
        store.add(files())
        found = health.look(store)
    finally:
        store.close()
    assert found.kind == ("SQLite" if database_url.startswith("sqlite") else "PostgreSQL")
    assert found.version[0].isdigit()
    assert (found.rows["records"], found.rows["files"], found.rows["jobs"], found.rows["signoffs"]) == (1, 2, 0, 0)
    assert found.rows["audit"] == 1
    assert found.size > 10_000
    assert 0 < found.answered_ms < 10_000


def test_the_password_of_a_url_is_not_shown(tmp_path, monkeypatch):
    store = Store(tmp_path / "home")
    try:
        monkeypatch.setattr(store._engine, "url", store.engine.url.set(username="anna", password="known to nobody", host="heart.example"))  # noqa: S106
        assert "known to nobody" not in health.look(store).url
        assert "anna" in health.look(store).url
    finally:
        store.close()


def test_room_is_counted_by_what_it_is_for(tmp_path):
    (tmp_path / "models" / "beats" / "2.1").mkdir(parents=True)
    (tmp_path / "models" / "beats" / "2.1" / "model.onnx").write_bytes(b"x" * 1000)
    (tmp_path / "leadwise.db").write_bytes(b"x" * 300)
    (tmp_path / "leadwise.db-wal").write_bytes(b"x" * 200)
    (tmp_path / "models" / "elsewhere").symlink_to(tmp_path)
    taken = room.taken(tmp_path)
    assert (taken["models trained here"], taken["database"], taken["uploads"]) == (1000, 500, 0)
    assert room.free(tmp_path) > 0


def test_what_is_removed_says_how_much_it_gave_back(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last.ckpt").write_bytes(b"x" * 4321)
    assert room.remove(tmp_path / "run") == 4321
    assert not (tmp_path / "run").exists()
