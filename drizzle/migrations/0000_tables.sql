CREATE TABLE "events" (
	"room_id" bigint NOT NULL,
	"seq" bigint NOT NULL,
	"kind" smallint NOT NULL,
	"author" text,
	"client_id" uuid,
	"client_seq" bigint,
	"name" text,
	"payload" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "events_room_id_seq_pk" PRIMARY KEY("room_id","seq"),
	CONSTRAINT "events_kind_name" CHECK ((kind = 0 and name is null) or (kind = 1 and name is not null))
);
--> statement-breakpoint
CREATE TABLE "quarantined_events" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "quarantined_events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"room_id" bigint NOT NULL,
	"seq" bigint,
	"payload" "bytea" NOT NULL,
	"reason" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rooms" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "rooms_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"tenant" text NOT NULL,
	"name" text NOT NULL,
	"epoch" bigint NOT NULL,
	"head_seq" bigint DEFAULT 0 NOT NULL,
	"deleted_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "snapshots" (
	"room_id" bigint NOT NULL,
	"seq" bigint NOT NULL,
	"part" integer NOT NULL,
	"state" "bytea" NOT NULL,
	"state_vector" "bytea",
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "snapshots_room_id_seq_part_pk" PRIMARY KEY("room_id","seq","part"),
	CONSTRAINT "snapshots_part_size" CHECK (octet_length(state) <= 1048576),
	CONSTRAINT "snapshots_state_vector" CHECK (part <> 0 or state_vector is not null)
);
--> statement-breakpoint
CREATE UNIQUE INDEX "events_message_key" ON "events" USING btree ("room_id",coalesce(author, ''),"client_id","client_seq") WHERE kind = 1;--> statement-breakpoint
CREATE UNIQUE INDEX "quarantined_events_room_seq" ON "quarantined_events" USING btree ("room_id","seq") WHERE seq is not null;--> statement-breakpoint
CREATE INDEX "quarantined_events_room" ON "quarantined_events" USING btree ("room_id");--> statement-breakpoint
CREATE UNIQUE INDEX "rooms_tenant_name_live" ON "rooms" USING btree ("tenant","name") WHERE deleted_at is null;