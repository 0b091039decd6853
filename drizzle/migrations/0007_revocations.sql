CREATE TABLE "revocations" (
	"tenant" text NOT NULL,
	"user_id" text NOT NULL,
	"room" text NOT NULL,
	"grant" text,
	"final" boolean NOT NULL,
	"at" bigint NOT NULL,
	"changed_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "revocations_tenant_user_id_room_pk" PRIMARY KEY("tenant","user_id","room")
);
--> statement-breakpoint
CREATE INDEX "revocations_changed" ON "revocations" USING btree ("changed_at");--> statement-breakpoint
CREATE INDEX "revocations_at" ON "revocations" USING btree ("at");