"""Accounts and roles."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from libs.common.database import SessionMaker
from libs.common.errors import Conflict, Forbidden, Invalid, NotFound
from libs.common.events import UserDeleted, UserRegistered
from libs.common.messaging import announce
from libs.common.tokens import Caller
from services.auth import passwords, tokens
from services.auth.models import Role, User, UserRole
from services.auth.settings import AuthSettings


async def find(session: AsyncSession, user_id: UUID) -> User:
    """A live account, or NotFound."""
    user = await session.scalar(select(User).where(User.id == user_id, User.deleted_at.is_(None)))
    if user is None:
        raise NotFound("There is no such user.", code="user-not-found")
    return user


async def find_by_email(session: AsyncSession, email: str) -> User | None:
    """A live account by its address."""
    return await session.scalar(
        select(User).where(User.email == email.lower(), User.deleted_at.is_(None))
    )


async def _role(session: AsyncSession, name: str) -> Role:
    role = await session.scalar(select(Role).where(Role.name == name))
    if role is None:
        names = (await session.scalars(select(Role.name).order_by(Role.name))).all()
        raise NotFound(f"There is no role {name!r}; there are {', '.join(names)}.")
    return role


async def register(
    session: AsyncSession, settings: AuthSettings, email: str, password: str
) -> User:
    """A new account with the role user (and admin, where set so and while there is none)."""
    email = email.lower()
    passwords.check_strength(password, email, "body.password")
    taken = Conflict(
        "There is already an account with this address. Sign in instead.",
        code="email-taken",
        field="body.email",
    )
    # Before the first query: no database connection waits for bcrypt.
    hashed = await passwords.hash_password(password, settings.bcrypt_rounds)
    if await find_by_email(session, email) is not None:
        raise taken
    user = User(email=email, password_hash=hashed)
    roles = [await _role(session, "user")]
    if settings.first_user_is_admin:
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('auth:first-user'))"))
        if not await _admins(session):
            roles.append(await _role(session, "admin"))
    user.roles = roles
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        raise taken from error
    await session.refresh(user)
    announce(session, UserRegistered(user_id=user.id))
    return user


async def change_password(
    sessions: SessionMaker, settings: AuthSettings, user_id: UUID, old: str, new: str
) -> None:
    """Change it and sign out everywhere."""
    async with sessions() as session:
        user = await find(session, user_id)
    if not await passwords.is_right(old, user.password_hash):
        raise Forbidden(
            "The current password is not right.",
            code="wrong-password",
            field="body.current_password",
        )
    passwords.check_strength(new, user.email, "body.new_password")
    hashed = await passwords.hash_password(new, settings.bcrypt_rounds)
    async with sessions.begin() as session:
        user = await find(session, user_id)
        user.password_hash = hashed
        await tokens.revoke_all(session, user_id)


async def update(
    session: AsyncSession,
    caller: Caller,
    user_id: UUID,
    *,
    email: str | None,
    current_password: str | None,
) -> User:
    """Change the address; one's own needs the password."""
    if caller.user_id != user_id and not caller.is_admin:
        raise NotFound("There is no such user.", code="user-not-found")
    user = await find(session, user_id)
    if email is not None and email.lower() != user.email:
        if not caller.is_admin or caller.user_id == user_id:
            if current_password is None:
                raise Invalid(
                    "To change the address, give the current password too.",
                    field="body.current_password",
                )
            if not await passwords.is_right(current_password, user.password_hash):
                raise Forbidden(
                    "The current password is not right.",
                    code="wrong-password",
                    field="body.current_password",
                )
        user.email = email.lower()
        try:
            await session.flush()
        except IntegrityError as error:
            raise Conflict(
                "There is already an account with this address.",
                code="email-taken",
                field="body.email",
            ) from error
        await session.refresh(user)
    return user


async def _admins(session: AsyncSession, besides: UUID | None = None) -> int:
    """How many live admins there are, apart from one."""
    rows = (
        select(func.count())
        .select_from(User)
        .join(UserRole, UserRole.user_id == User.id)
        .join(Role, Role.id == UserRole.role_id)
        .where(Role.name == "admin", User.deleted_at.is_(None))
    )
    if besides is not None:
        rows = rows.where(User.id != besides)
    return await session.scalar(rows) or 0


async def _keep_an_admin(session: AsyncSession, losing: User) -> None:
    """Refuse to lose the last admin."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('auth:last-admin'))"))
    if all(role.name != "admin" for role in losing.roles):
        return
    if not await _admins(session, besides=losing.id):
        raise Conflict(
            "This is the last admin. Make another user an admin first.", code="last-admin"
        )


async def remove(session: AsyncSession, caller: Caller, user_id: UUID) -> None:
    """Delete an account: one's own, or any as an admin. Everything it owns follows by event."""
    if caller.user_id != user_id and not caller.is_admin:
        raise NotFound("There is no such user.", code="user-not-found")
    user = await find(session, user_id)
    await _keep_an_admin(session, user)
    user.deleted_at = await session.scalar(select(func.now()))
    await tokens.revoke_all(session, user_id)
    announce(session, UserDeleted(user_id=user_id))


async def roles(session: AsyncSession) -> Sequence[Role]:
    """All roles there are."""
    return (await session.scalars(select(Role).order_by(Role.name))).all()


async def assign_role(session: AsyncSession, user_id: UUID, name: str) -> User:
    """Give a role; fine when it is there. It shows in tokens from the next refresh on."""
    user = await find(session, user_id)
    role = await _role(session, name)
    await session.execute(
        insert(UserRole).values(user_id=user.id, role_id=role.id).on_conflict_do_nothing()
    )
    await session.refresh(user)
    return user


async def take_role(session: AsyncSession, user_id: UUID, name: str) -> User:
    """Take a role away; fine when it is not there."""
    user = await find(session, user_id)
    role = await _role(session, name)
    if name == "admin":
        await _keep_an_admin(session, user)
    await session.execute(
        delete(UserRole).where(UserRole.user_id == user.id, UserRole.role_id == role.id)
    )
    await session.refresh(user)
    return user


async def ensure_admin(sessions: SessionMaker, settings: AuthSettings) -> None:
    """The bootstrap: AUTH_FIRST_ADMIN_EMAIL is an admin from the start."""
    if settings.first_admin_email is None:
        return
    async with sessions.begin() as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('auth:first-user'))"))
        user = await find_by_email(session, settings.first_admin_email)
        if user is None:
            if settings.first_admin_password is None:
                return
            user = await register(
                session,
                settings,
                settings.first_admin_email,
                settings.first_admin_password.get_secret_value(),
            )
        await assign_role(session, user.id, "admin")
