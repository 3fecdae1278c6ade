"""The words of pictures, with the indexes by which each database finds them.

Triggers are made after every migration (gallery/fulltext/triggers.py), which also lets workers fill
the tables.
"""

import django.db.models.deletion
import gallery.models.text
from django.db import migrations, models


def make_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE OR REPLACE FUNCTION gallery_words_vector(lexemes text) RETURNS tsvector "
            # Not for parallel plans: to start a process takes longer than any of these queries.
            "LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE COST 1000 AS $$ BEGIN "
            "RETURN array_to_tsvector(string_to_array(lexemes, ' ')); END $$"
        )
        schema_editor.execute(
            "CREATE INDEX gallery_imagetext_words ON gallery_imagetext "
            # What waits to be put in would be read one by one by every search.
            "USING gin (gallery_words_vector(lexemes)) WITH (fastupdate = off)"
        )
    else:
        # Neither places nor lengths are asked for, and the words are in the table beside it.
        schema_editor.execute(
            "CREATE VIRTUAL TABLE gallery_imagetext_fts USING fts5(lexemes, "
            "content='gallery_imagetext', content_rowid='image_id', detail='none', columnsize=0, "
            "tokenize=\"ascii tokenchars ':'\")"
        )


def drop_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX gallery_imagetext_words")
        schema_editor.execute("DROP FUNCTION gallery_words_vector(text)")
    else:
        schema_editor.execute("DROP TABLE gallery_imagetext_fts")


class Migration(migrations.Migration):

    dependencies = [
        ('gallery', '0004_relevance'),
    ]

    operations = [
        migrations.CreateModel(
            name='ImageText',
            fields=[
                ('image', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='words', serialize=False, to='gallery.image', verbose_name='image')),
                ('title', models.TextField(blank=True, verbose_name='title')),
                ('caption', models.TextField(blank=True, verbose_name='captions')),
                ('tag', models.TextField(blank=True, verbose_name='tags')),
                ('file', models.TextField(blank=True, verbose_name='file name')),
                ('collection', models.TextField(blank=True, verbose_name='collection')),
                ('creator', models.TextField(blank=True, verbose_name='creator')),
                ('credit', models.TextField(blank=True, verbose_name='credit')),
                ('lexemes', gallery.models.text.LexemesField(blank=True, verbose_name='lexemes')),
                ('made_by', models.CharField(max_length=40, verbose_name='made by')),
            ],
            options={
                'verbose_name': 'words of a picture',
                'verbose_name_plural': 'words of pictures',
            },
        ),
        migrations.CreateModel(
            name='Lexeme',
            fields=[
                ('text', models.CharField(max_length=80, primary_key=True, serialize=False, verbose_name='text')),
                ('backwards', models.CharField(blank=True, db_index=True, max_length=80, verbose_name='backwards')),
                ('documents', models.BigIntegerField(default=0, verbose_name='pictures')),
            ],
            options={
                'verbose_name': 'lexeme',
                'verbose_name_plural': 'lexemes',
            },
        ),
        migrations.CreateModel(
            name='StaleText',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('image_id', models.BigIntegerField(db_index=True, verbose_name='image')),
            ],
            options={
                'verbose_name': 'stale words',
                'verbose_name_plural': 'stale words',
            },
        ),
        migrations.RunPython(make_indexes, drop_indexes),
    ]
